#!/usr/bin/env bash
# Runs the tests, ring by ring (tests/README.md), and ends with a line 'N passed, N failed'. Installs what they need and says so.
#
#   ./test.sh               everything
#   ./test.sh unit          one ring: unit, simulation, mutation, integration or conformance
#   ./test.sh soak 600      the simulation with new seeds, for 600 seconds; SIMULATION_SEED=n ./test.sh simulation replays one run with its trace
#   ./test.sh fuzz 1000000  the fuzzers with new seeds: this many cases, a quarter as many through processes; FUZZ_SEED=n replays one batch
#   ./test.sh chaos 300     the real system under kill -9 and frozen processes, for 300 seconds; CHAOS_SEED=n repeats the faults, not their timing
set -uo pipefail
cd "$(dirname "$0")"
. ./needs.sh

usage="Try: ./test.sh [unit | simulation | mutation | integration | conformance | soak SECONDS | fuzz CASES | chaos SECONDS]"
rings=(unit simulation mutation conformance integration)
options=()
case "${1:-}" in
  "") ;;
  unit)
    rings=(unit)
    # Few of the fuzzer's cases: this is the inner loop.
    export FUZZ_CASES=${FUZZ_CASES:-2000}
    ;;
  mutation | integration | conformance) rings=("$1") ;;
  simulation)
    rings=(simulation)
    options=(--logger "console;verbosity=detailed")
    ;;
  soak)
    rings=(simulation)
    options=(--filter "FullyQualifiedName~SimulationTests.Every" --logger "console;verbosity=detailed")
    export SIMULATION_SECONDS=${2:-600} SIMULATION_FRESH=$(date +%s)
    ;;
  fuzz | --fuzz)
    rings=(unit conformance integration)
    options=(--filter "FullyQualifiedName~Fuzz")
    export FUZZ_CASES=${2:-1000000} SIMULATION_FRESH=$(date +%s)
    ;;
  chaos)
    rings=(integration)
    options=(--filter "FullyQualifiedName~ChaosTests" --logger "console;verbosity=detailed")
    export CHAOS_SECONDS=${2:-300}
    ;;
  *)
    echo "'$1' is not a ring. $usage" >&2
    exit 1
    ;;
esac
# New seeds with every commit, the same ones for the same commit.
export SIMULATION_FRESH=${SIMULATION_FRESH:-$((16#$(git rev-parse --short=7 HEAD 2>/dev/null || echo 4e20)))}

need_dotnet
# Unit, simulation and mutation tests need .NET only.
if [[ " ${rings[*]} " == *" integration "* || " ${rings[*]} " == *" conformance "* ]]; then
  need_redis || { echo "redis-server is needed for these tests and could not be installed; install it and try again." >&2; exit 1; }
fi
if [[ " ${rings[*]} " == *" integration "* ]]; then
  command -v npm >/dev/null || { echo "npm is needed for buf, which checks the contracts, and for grpc-js, a foreign client." >&2; exit 1; }
  # Fails when anything that package.json names is missing, or there in another version.
  if ! npm ls --prefix tests/node --depth=0 >/dev/null 2>&1; then
    echo "Installing buf and grpc-js with npm (tests/node)."
    npm install --prefix tests/node --no-package-lock --no-audit --no-fund --loglevel=error || exit 1
  fi
  # Without it one class of tests fails, and says why.
  need_prometheus >/dev/null || echo "prometheus, for the tests of the alerts and of the dashboard, could not be downloaded with apt-get."
  need_chromium || { echo "chromium, the browser of the tests, is needed and could not be installed; install it and try again." >&2; exit 1; }
fi

rm -f artifacts/chaos.txt
logs=$(mktemp -d)
# A compiler server of this run only: it halves the time of the build, and ends with the run.
compiler=saga-tests-$$
mutation=
trap '[ -z "$mutation" ] || kill "$mutation" 2>/dev/null; rm -rf "$logs"; pkill -f "VBCSCompiler.* -pipename:$compiler$" || true' EXIT
begin=$SECONDS
project() { local name="${1^}"; echo "tests/$name/$name.csproj"; }
parts=(DaprSaga.sln)
[ ${#rings[@]} = 1 ] && parts=("$(project "${rings[0]}")")
# The stand-in for daprd, which the integration tests start, has a solution of its own.
case " ${rings[*]} " in
  " conformance ") ;;
  *" conformance "*) parts+=(standins/Daprd.sln) ;;
  *" integration "*) parts+=(standins/daprd) ;;
esac
for part in "${parts[@]}"; do
  dotnet build "$part" -c Release -v q --nologo -clp:NoSummary -p:UseSharedCompilation=true -p:SharedCompilationId="$compiler" || { echo "0 passed, 1 failed"; exit 1; }
done
# The programs are started some 400 times, and compiling them at each start costs more.
unset READY_TO_RUN
if [[ " ${rings[*]} " == *" integration "* ]]; then
  dotnet build tests/ReadyToRun -c Release -v q --nologo -clp:NoSummary || { echo "0 passed, 1 failed"; exit 1; }
  export READY_TO_RUN=1
fi
echo "built in $((SECONDS - begin)) s"

passed=0 failed=0
# Replaces the shell by a ring, so call it in a subshell. The rest of the arguments is a command to run it under.
exec_ring() {
  local ring=$1
  shift
  # Profiles of code do not pay within minutes, and within seconds its second compilation does not either: half of the processor time.
  local runtime=(DOTNET_TieredPGO=0 DOTNET_gcConcurrent=0)
  case "$ring ${#rings[@]}" in "unit 1" | conformance* | integration*) runtime+=(DOTNET_TC_CallCounting=0) ;; esac
  # The simulations allocate much that dies at once: collect it on both cores, and seldom (after 64 MiB, in hexadecimal).
  case "$ring" in unit | simulation | mutation) runtime+=(DOTNET_gcServer=1 DOTNET_GCgen0size=0x4000000) ;; esac
  exec env "${runtime[@]}" "$@" dotnet test "$(project "$ring")" -c Release --no-build --nologo "${options[@]}" 2>&1
}
# Adds a finished ring to the sums.
add_ring() {
  local ring=$1 log=$2 code=$3 since=$4 p f
  read -r p f < <(awk '
    /(Passed|Failed)! +- Failed:/ { for (i = 1; i <= NF; i++) { if ($i == "Failed:") f += $(i + 1); if ($i == "Passed:") p += $(i + 1) } }
    /^ +Passed: [0-9]+$/ { p += $2 } /^ +Failed: [0-9]+$/ { f += $2 }
    END { print p + 0, f + 0 }' "$log")
  if [ "$p" = 0 ]; then echo "No test of $ring ran."; f=$((f + 1)); elif [ "$code" != 0 ] && [ "$f" = 0 ]; then f=1; fi
  passed=$((passed + p)) failed=$((failed + f))
  echo "$ring: $p passed, $f failed in $((SECONDS - since)) s; $((SECONDS - begin)) s so far"
}
# One after the other: they share two cores, and some measure time. Mutation only computes, so it has what the last rings leave idle.
for ring in "${rings[@]}"; do
  since=$SECONDS
  if [ "$ring" = mutation ] && [ ${#rings[@]} -gt 1 ]; then
    echo "mutation: beside the next rings, with the lowest priority"
    exec_ring mutation nice -n 19 >"$logs/mutation" &
    mutation=$! mutation_since=$since
    continue
  fi
  exec_ring "$ring" | tee "$logs/$ring"
  add_ring "$ring" "$logs/$ring" "${PIPESTATUS[0]}" "$since"
done
if [ -n "$mutation" ]; then
  wait "$mutation"
  code=$?
  mutation=
  cat "$logs/mutation"
  add_ring mutation "$logs/mutation" "$code" "$mutation_since"
fi
# A passing test's own output is not shown; this report is worth it.
if [ ${#rings[@]} -gt 1 ] && [ -f artifacts/chaos.txt ]; then echo; cat artifacts/chaos.txt; fi
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
