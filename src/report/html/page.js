'use strict';
// Makes the tables from the data in the page. Whatever is shown goes in as text, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const words = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
  const STEP = 100;

  const at = id => document.getElementById(id);
  const count = number => String(number).replace(/\B(?=(\d{3})+$)/g, ',');

  // The forms of the program's other reports.
  function size(octets) {
    const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
    if (octets < 1024) return octets + ' B';
    let unit = -1;
    do { octets /= 1024; unit += 1; } while (octets >= 1024 && unit < units.length - 1);
    return octets.toFixed(2) + ' ' + units[unit];
  }
  function duration(seconds) {
    const whole = Math.round(seconds);
    const two = number => String(number).padStart(2, '0');
    if (seconds < 59.95) return seconds.toFixed(1) + 's';
    if (whole < 3600) return Math.floor(whole / 60) + 'm' + two(whole % 60) + 's';
    return Math.floor(whole / 3600) + 'h' + two(Math.floor(whole % 3600 / 60)) + 'm';
  }

  function make(name, properties, ...content) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties || {})) {
      if (key.includes('-')) element.setAttribute(key, value);
      else element[key] = value;
    }
    element.append(...content);
    return element;
  }

  // A table that shows the rows that are wanted, in the order that is wanted, a part at a time.
  // A column has: name, value (by which it sorts), show (text or element), and whether it is a
  // number, is the head of its row, or can be missed on a small screen.
  function table(id, columns, rows, wanted, sort) {
    let order = sort;
    let shown = STEP;
    let found = [];
    const body = make('tbody');
    const heads = columns.map((column, place) => {
      const button = make('button', { type: 'button' }, column.name);
      button.addEventListener('click', () => {
        const turned = order.place === place ? !order.down : Boolean(column.number);
        order = { place, down: turned };
        arrange();
      });
      return make('th', { scope: 'col', className: look(column) }, button);
    });
    at(id + '-table').append(make('thead', null, make('tr', null, ...heads)), body);

    function look(column) {
      return [column.number && 'n', column.low && 'low', column.look].filter(Boolean).join(' ');
    }
    function arrange() {
      const column = columns[order.place];
      heads.forEach((head, place) => {
        if (place === order.place) head.setAttribute('aria-sort', order.down ? 'descending' : 'ascending');
        else head.removeAttribute('aria-sort');
      });
      const way = order.down ? -1 : 1;
      const value = column.value;
      const compare = column.number
        ? (a, b) => way * (value(a) - value(b))
        : (a, b) => way * words.compare(value(a), value(b));
      rows.sort(compare);
      filter();
    }
    function filter() {
      found = rows.filter(wanted());
      shown = STEP;
      body.replaceChildren();
      add(0);
    }
    function add(from) {
      const part = document.createDocumentFragment();
      for (const row of found.slice(from, shown)) {
        part.append(make('tr', null, ...columns.map(column =>
          make(column.head ? 'th' : 'td',
            { className: look(column), ...(column.head ? { scope: 'row' } : {}) }, column.show(row)))));
      }
      if (found.length === 0) {
        part.append(make('tr', { className: 'none' }, make('td', { colSpan: columns.length }, 'Nothing like that')));
      }
      body.append(part);
      const there = Math.min(shown, found.length);
      at(id + '-shown').textContent = found.length === rows.length
        ? `${count(there)} of ${count(rows.length)} shown`
        : `${count(there)} shown of ${count(found.length)} found among ${count(rows.length)}`;
      at(id + '-more').replaceChildren(...(there < found.length ? [
        button(`Show ${count(Math.min(STEP, found.length - there))} more`, there + STEP),
        button(`Show all ${count(found.length)}`, found.length),
      ] : []));
    }
    function button(text, to) {
      const element = make('button', { type: 'button' }, text);
      element.addEventListener('click', () => {
        const from = Math.min(shown, found.length);
        shown = to;
        add(from);
        // The button is gone: the focus goes on where the new rows begin.
        const next = body.children[from] && body.children[from].querySelector('button');
        if (next) next.focus({ preventScroll: true });
        else at(id + '-table').parentElement.focus({ preventScroll: true });
      });
      return element;
    }
    arrange();
    return { filter };
  }

  function later(input, work) {
    let timer;
    input.addEventListener('input', () => {
      clearTimeout(timer);
      timer = setTimeout(work, 120);
    });
  }

  // Domains: name, users, of each class, messages, octets, skipped.
  const SVG = 'http://www.w3.org/2000/svg';
  function shares(counts, all) {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', '0 0 100 10');
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('class', 'share-bar');
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', counts.map((it, place) => it && `${it} ${data.classes[place]}`).filter(Boolean).join(', '));
    let x = 0;
    counts.forEach((it, place) => {
      const wide = it / all * 100;
      const rect = document.createElementNS(SVG, 'rect');
      for (const [name, value] of [['x', x], ['width', wide], ['y', 0], ['height', 10], ['class', 'c' + place]]) {
        rect.setAttribute(name, value);
      }
      if (it) svg.append(rect);
      x += wide;
    });
    return svg;
  }
  const number = (name, place, more) => ({ name, number: true, value: row => row[place], show: row => count(row[place]), ...more });
  const domainFilter = at('domains-filter');
  const moved = row => row[2][0] + row[2][1];
  const domains = table('domains', [
    { name: 'Domain', head: true, value: row => row[0], show: row => row[0] || '(none)' },
    number('Users', 1),
    { name: 'Moved whole', number: true, value: row => moved(row) / row[1], show: row => `${count(moved(row))} (${Math.floor(moved(row) / row[1] * 100)} %)` },
    { name: 'Verdicts', low: true, value: row => row[0], show: row => shares(row[2], row[1]) },
    { name: 'Not transparent', number: true, low: true, value: row => row[2][2], show: row => count(row[2][2]) },
    { name: 'Not done', number: true, low: true, value: row => row[2][3] + row[2][4], show: row => count(row[2][3] + row[2][4]) },
    number('Messages', 3, { low: true }),
    { name: 'Size', number: true, low: true, value: row => row[4], show: row => size(row[4]) },
    number('Skipped', 5, { low: true }),
  ], data.domains, () => {
    const part = domainFilter.value.trim().toLowerCase();
    return row => (row[0] || '(none)').includes(part);
  }, { place: 1, down: true });
  later(domainFilter, domains.filter);

  // Users: name, class, verdict, messages, octets, on the target, skipped, seconds, the rest.
  const NAME = 0, CLASS = 1, VERDICT = 2, REST = 8;
  let trouble = null;
  const userFilter = at('users-filter');
  const classes = at('users-class');
  classes.append(make('option', { value: '' }, `all (${count(data.users.length)})`));
  data.classes.forEach((word, place) => {
    const many = data.users.filter(user => user[CLASS] === place).length;
    if (many) classes.append(make('option', { value: String(place) }, `${word} (${count(many)})`));
  });
  for (const user of data.users) user.words = (user[NAME] + '\n' + user[VERDICT]).toLowerCase();

  function opener(user) {
    const button = make('button', { type: 'button', className: 'open', 'aria-expanded': 'false' }, user[NAME]);
    button.addEventListener('click', () => {
      const row = button.closest('tr');
      const open = button.getAttribute('aria-expanded') === 'true';
      button.setAttribute('aria-expanded', String(!open));
      if (open) row.nextElementSibling.remove();
      else row.after(make('tr', { className: 'more' }, make('td', { colSpan: row.children.length }, ...rest(user))));
    });
    return button;
  }
  function rest(user) {
    const more = user[REST];
    const parts = [];
    const list = items => parts.push(make('ul', null, ...items));
    if (more.p) {
      list(more.p.map(([what, hint]) => make('li', null, what, ...(hint ? [make('br'), make('b', null, 'What to do: '), hint] : []))));
    }
    if (more.l) list(more.l.map(line => make('li', null, line)));
    const pairs = [['messages', count(user[3])], ['size', size(user[4])], ['on the target', count(user[5])], ['skipped', count(user[6])], ['time', duration(user[7])]];
    for (const [name, value] of more.n || []) pairs.push([name, count(value)]);
    pairs.push(['runs', count(more.r)]);
    if (more.s) pairs.push(['status', more.s]);
    parts.push(make('dl', null, ...pairs.map(([name, value]) => make('div', null, make('dt', null, name), make('dd', null, value)))));
    if (more.f) parts.push(make('p', null, 'Log: ', make('code', null, more.f)));
    return parts;
  }

  const users = table('users', [
    { name: 'User', head: true, value: row => row[NAME], show: opener },
    { name: 'Verdict', look: 'verdict', number: false, value: row => row[CLASS] + row[VERDICT], show: row => make('span', null, make('span', { className: 'key c' + row[CLASS], 'aria-hidden': 'true' }), row[VERDICT]) },
    number('Messages', 3, { low: true }),
    number('On the target', 5, { low: true }),
    number('Skipped', 6, { low: true }),
    { name: 'Size', number: true, low: true, value: row => row[4], show: row => size(row[4]) },
    { name: 'Time', number: true, low: true, value: row => row[7], show: row => duration(row[7]) },
  ], data.users, () => {
    const part = userFilter.value.trim().toLowerCase();
    const place = classes.value === '' ? null : Number(classes.value);
    return user => (place === null || user[CLASS] === place)
      && (trouble === null || (user[REST].t || []).includes(trouble))
      && user.words.includes(part);
  }, { place: 1, down: true });
  later(userFilter, users.filter);
  classes.addEventListener('change', users.filter);

  const everyone = at('users-trouble');
  everyone.addEventListener('click', () => {
    trouble = null;
    everyone.hidden = true;
    users.filter();
    userFilter.focus();
  });
  for (const button of document.querySelectorAll('[data-trouble]')) {
    button.hidden = false;
    button.addEventListener('click', () => {
      trouble = Number(button.dataset.trouble);
      userFilter.value = '';
      classes.value = '';
      const name = button.closest('li').querySelector('h3').firstChild.textContent.trim();
      everyone.textContent = `Only: ${name}. Show everyone`;
      everyone.hidden = false;
      users.filter();
      at('users').scrollIntoView();
      everyone.focus({ preventScroll: true });
    });
  }
  at('domains').hidden = data.domains.length < 2;
  at('users').hidden = false;
})();
