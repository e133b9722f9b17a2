#!/usr/bin/env bash
# A migration as a Slurm job array: each task works on its shard of the user list.
#
#   export MAILSEED_JOB=/srv/migration/mailseed.toml MAILSEED_REPORTS=/srv/migration/$(date +%F)
#   array=$(sbatch --parsable --array=1-7 scripts/fleet/slurm.sh)
#   sbatch --dependency=afterany:"$array" --array=1-7 scripts/fleet/slurm.sh retry
#   mailseed report "$MAILSEED_REPORTS"/*-of-7 "$MAILSEED_REPORTS"/*-of-7-retry
#
# The second array does those again that the first one has not done: a shard of which all is done ends at
# once. MAILSEED_JOB is a job file (mailseed --job) with everything but shard and report; MAILSEED_REPORTS
# is a directory that all nodes see. Number the tasks from 1. To run a few again: --array=3,5 with
# MAILSEED_SHARDS=7. MAILSEED names another program than that of PATH.
#SBATCH --job-name=mailseed
#SBATCH --ntasks=1
#SBATCH --signal=B:TERM@60
set -euo pipefail

: "${MAILSEED_JOB:?the job file}" "${MAILSEED_REPORTS:?the directory of the reports}"
of=${MAILSEED_SHARDS:-$SLURM_ARRAY_TASK_COUNT}
report=$MAILSEED_REPORTS/$SLURM_ARRAY_TASK_ID-of-$of
again=()
if [ "${1:-}" = retry ]; then
    if [ -e "$report/journal.jsonl" ] || [ ! -e "$report/summary.csv" ]; then
        # The first run was cut: all of this shard is looked at again, and what is there is kept.
        echo "shard $SLURM_ARRAY_TASK_ID/$of was cut, and is run again" >&2
    else
        again=(--only-failed "$report/summary.csv")
    fi
    report=$report-retry
fi
# In place of the shell, so that Slurm's signals reach it: TERM lets it end in order.
exec "${MAILSEED:-mailseed}" export --job "$MAILSEED_JOB" --shard "auto/$of" --report "$report" "${again[@]}"
