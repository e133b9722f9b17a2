//! A headless Chromium, driven over DevTools' pipe: JSON messages that end in NUL, on file
//! descriptors 3 and 4. It needs no port, no driver and no WebSocket, and it ends with the pipe.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::tree::TempTree;

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    last: u64,
    session: String,
    /// What the page has said on the console, and what it has thrown.
    pub complaints: Vec<String>,
    /// The addresses that the page has asked for.
    pub requests: Vec<String>,
    _profile: TempTree,
}

impl Browser {
    /// Starts one, with an empty profile.
    ///
    /// # Panics
    /// When there is no Chromium (`scripts/install-deps`).
    pub fn start() -> Self {
        let profile = TempTree::new();
        // None outlives a test for long. Chromium's end of the pipe is at descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec timeout 150 chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
                "sh",
            ])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let commands = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut browser = Self {
            child,
            commands,
            answers,
            last: 0,
            session: String::new(),
            complaints: Vec::new(),
            requests: Vec::new(),
            _profile: profile,
        };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.ask("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens a file, and waits until it is loaded.
    pub fn open(&mut self, file: &Path) {
        let url = format!("file://{}", file.display());
        self.ask("Page.navigate", json!({"url": url}));
        self.until("document.readyState === 'complete' && location.protocol === 'file:'");
    }

    /// The value of a JavaScript expression.
    ///
    /// # Panics
    /// When it throws.
    pub fn value(&mut self, expression: &str) -> Value {
        let ask = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", ask);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].clone()
    }

    /// The value of an expression that is a text.
    pub fn text(&mut self, expression: &str) -> String {
        let value = self.value(expression);
        let text = value.as_str();
        text.unwrap_or_else(|| panic!("{expression} is {value}"))
            .to_owned()
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    /// When it is not for ten seconds.
    pub fn until(&mut self, expression: &str) {
        for _ in 0..200 {
            if self.value(expression) == true {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it never came to be: {expression}");
    }

    /// Types into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.ask("Input.insertText", json!({"text": text}));
    }

    /// Presses a key, named as in DOM's `KeyboardEvent.key`, with the text that it makes.
    pub fn press(&mut self, key: &str, text: &str) {
        let code = if key == " " { "Space" } else { key };
        let number = match key {
            "Tab" => 9,
            "Enter" => 13,
            _ => 32,
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({
                "type": kind, "key": key, "code": code, "text": text, "windowsVirtualKeyCode": number
            });
            self.ask("Input.dispatchKeyEvent", event);
        }
    }

    /// How the page is looked at: `light` or `dark`, `screen` or `print`, so many pixels wide.
    pub fn look(&mut self, scheme: &str, media: &str, width: u32) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.ask(
            "Emulation.setEmulatedMedia",
            json!({"media": media, "features": features}),
        );
        let size = json!({
            "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600
        });
        self.ask("Emulation.setDeviceMetricsOverride", size);
    }

    /// Writes a picture of the first `height` pixels of the page.
    pub fn picture(&mut self, file: &Path, height: u32) {
        let size = self.ask("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let clip = json!({"x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1});
        let ask = json!({"captureBeyondViewport": true, "clip": clip});
        let picture = self.ask("Page.captureScreenshot", ask);
        let picture = picture["data"].as_str().expect("a picture");
        let bytes = BASE64_STANDARD.decode(picture).expect("it is base64");
        std::fs::write(file, bytes).expect("scratch directories are writable");
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        write!(self.commands, "{message}\0")
            .and_then(|()| self.commands.flush())
            .unwrap_or_else(|error| panic!("{method}: Chromium is gone: {error}"));
        loop {
            let mut answer = Vec::new();
            let read = self.answers.read_until(0, &mut answer);
            assert!(
                matches!(read, Ok(length) if length > 0),
                "{method}: Chromium does not answer; is it installed? Run scripts/install-deps"
            );
            answer.pop();
            let answer: Value = serde_json::from_slice(&answer).expect("DevTools speak JSON");
            if answer["id"] == self.last {
                assert_eq!(answer["error"], Value::Null, "{method}");
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                self.requests.push(url.to_owned());
            }
            Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => {
                self.complaints.push(params.to_string());
            }
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // By itself it ends with the pipe; its profile is removed after it.
        let close = "{\"id\":0,\"method\":\"Browser.close\"}\0";
        let _ = self.commands.write_all(close.as_bytes());
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
