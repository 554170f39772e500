#!/usr/bin/env bash
# Runs all tests and ends with a line 'N passed, N failed'. Installs what they need and says so.
#
#   ./test.sh               everything
#   ./test.sh simulation    the simulation of the whole saga only; SIMULATION_SEED=n replays one run with its trace
#   ./test.sh soak 600      the simulation with ever new seeds, for so many seconds
#   ./test.sh chaos 300     the real system under kill -9 and frozen processes, for so many seconds; CHAOS_SEED=n repeats what is done, not when
set -uo pipefail
cd "$(dirname "$0")"
. ./needs.sh

rm -f artifacts/chaos.txt
need_dotnet
need_redis || { echo "redis-server is needed for the tests and could not be installed; install it and try again." >&2; exit 1; }

only=()
case "${1:-}" in
  "") ;;
  simulation) only=(tests/Saga.Tests --filter "FullyQualifiedName~SimulationTests" --logger "console;verbosity=detailed") ;;
  soak)
    only=(tests/Saga.Tests --filter "FullyQualifiedName~SimulationTests.Every" --logger "console;verbosity=detailed")
    export SIMULATION_SECONDS=${2:-600} SIMULATION_FRESH=$(date +%s)
    ;;
  chaos)
    only=(tests/Live.Tests --filter "FullyQualifiedName~ChaosTests" --logger "console;verbosity=detailed")
    export CHAOS_SECONDS=${2:-300}
    ;;
  *) echo "I do not know '$1'. Try: ./test.sh [simulation | soak SECONDS | chaos SECONDS]" >&2; exit 1 ;;
esac
# New seeds with every commit, and the same ones again for the same commit.
export SIMULATION_FRESH=${SIMULATION_FRESH:-$((16#$(git rev-parse --short=7 HEAD 2>/dev/null || echo 4e20)))}

if [ ${#only[@]} = 0 ]; then
  command -v npm >/dev/null || { echo "npm is needed for buf, which checks the contracts, and for grpc-js and Dapr's SDK, foreign clients." >&2; exit 1; }
  # Fails when anything that package.json names is missing, or there in another version.
  if ! npm ls --prefix tests/node --depth=0 >/dev/null 2>&1; then
    echo "Installing buf, grpc-js and Dapr's SDK with npm (tests/node)."
    npm install --prefix tests/node --no-package-lock --no-audit --no-fund --loglevel=error || exit 1
  fi
  need_chromium || { echo "chromium, the browser of the tests, is needed and could not be installed; install it and try again." >&2; exit 1; }
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
dotnet build DaprSaga.sln -c Release -v q --nologo -clp:NoSummary || { echo "0 passed, 1 failed"; exit 1; }
# One after the other: they share two cores, and some watch the clock.
dotnet test "${only[@]:-DaprSaga.sln}" -c Release --no-build --nologo -m:1 2>&1 | tee "$log"
code=${PIPESTATUS[0]}

read -r passed failed < <(awk '
  /(Passed|Failed)! +- Failed:/ { for (i = 1; i <= NF; i++) { if ($i == "Failed:") f += $(i + 1); if ($i == "Passed:") p += $(i + 1) } }
  /^ +Passed: [0-9]+$/ { p += $2 } /^ +Failed: [0-9]+$/ { f += $2 }
  END { print p + 0, f + 0 }' "$log")
if [ "$code" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
if [ "$passed" = 0 ]; then echo "No test ran."; failed=$((failed + 1)); fi
# A passing test's own output is not shown; this report is worth it.
if [ ${#only[@]} = 0 ] && [ -f artifacts/chaos.txt ]; then echo; cat artifacts/chaos.txt; fi
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
