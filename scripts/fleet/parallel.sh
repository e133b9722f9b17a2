#!/usr/bin/env bash
# A migration on several hosts with GNU parallel over ssh, a shard each; then once more those not done.
#
#   scripts/fleet/parallel.sh JOB REPORTS SHARDS [SSHLOGIN...]
#   scripts/fleet/parallel.sh /srv/migration/mailseed.toml /srv/migration/2026-11-25 7 m1 m2 m3
#
# JOB is a job file (mailseed --job) and REPORTS a directory, both at the same place on all hosts; without
# SSHLOGIN all of it runs here (: is this host, too). One shard at a time runs on each host: mailseed does
# many users at once itself. Ends with 1 if some are not done after both rounds.
set -euo pipefail

if [ $# -lt 3 ]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
job=$1 reports=$2 shards=$3
shift 3
logins=("$@")
[ ${#logins[@]} -gt 0 ] || logins=(:)

# A list of logins with commas; 1/ would be cores, -j1 is one job a host.
hosts=$(IFS=, && echo "${logins[*]}")
round() {
    local name=$1
    shift
    # {} is the number of the shard; parallel quotes it for the far shell, and passes what follows as it is.
    seq "$shards" | parallel --will-cite --jobs 1 --sshlogin "$hosts" --joblog "$reports/$name.joblog" \
        "${MAILSEED:-mailseed}" export --job "$job" --shard "{}/$shards" "$@"
}
mkdir -p "$reports"
if round first --report "$reports/{}-of-$shards"; then
    exit 0
fi
# A shard of which all is done has nobody left, and ends at once. One that was cut has no summary.csv yet, and
# fails here as it did: run the whole again.
round retry --only-failed "$reports/{}-of-$shards/summary.csv" --report "$reports/{}-of-$shards-retry"
