#!/usr/bin/env bash
# Starts the shop: Redis if there is none, and the apps of dapr.yaml (four services, the console, added participants), each with its sidecar.
# By 'dapr run' where Dapr is installed, else with the stand-in for it (standins/daprd).
#
#   ./run.sh                   stays up until Ctrl-C
#   ./run.sh demo [--json]     plays the four scenarios in both patterns against the real services, and stops; exit code 1 if one differs
#   ./run.sh --standin ...     with the stand-in even where Dapr is installed
#   ./run.sh --embedded ...    with the stand-in and without Redis: everything is in memory, and gone at the end
#   ./run.sh --instances 2 ... two instances of each service (1 to 8); the ports of the second are 100 above those of the first, and so on
#
#   ENGINE=rabbitmq-postgresql ./run.sh ...    under Dapr, with the component files of deploy/engines/rabbitmq-postgresql instead of components/
set -euo pipefail
cd "$(dirname "$0")"
. ./needs.sh

embedded="" standin="" demo="" json="" instances=1
while [ $# -gt 0 ]; do
  case "$1" in
    --embedded) embedded=--embedded ;;
    --standin) standin=1 ;;
    --instances)
      [[ "${2:-}" =~ ^[1-8]$ ]] || { echo "--instances needs a number from 1 to 8, such as: ./run.sh --instances 2" >&2; exit 1; }
      instances=$2
      shift
      ;;
    demo) demo=1 ;;
    --json) json=--json ;;
    -h | --help) sed -n '2,12s/^# \{0,1\}//p' run.sh; exit 0 ;;
    *) echo "I do not know '$1'. Try: ./run.sh [--standin | --embedded] [--instances N] [demo [--json]]" >&2; exit 1 ;;
  esac
  shift
done
[ -z "$json" ] || [ -n "$demo" ] || { echo "--json is for the demo: ./run.sh demo --json" >&2; exit 1; }

daprd=""
if [ -z "$standin$embedded" ] && command -v dapr >/dev/null; then
  daprd=$(daprd_path) || echo "'dapr' is here, but daprd is not: 'dapr init' installs it. Going on with the stand-in; ./run.sh --standin does so without this line." >&2
fi

# The folder of the component files.
components=components
if [ -n "${ENGINE:-}" ]; then
  engines=(deploy/engines/*/)
  engines=("${engines[@]%/}")
  engines=("${engines[@]#deploy/engines/}")
  if [[ " ${engines[*]} " != *" $ENGINE "* ]]; then
    echo "ENGINE is '$ENGINE', and deploy/engines has: ${engines[*]}." >&2
    exit 1
  fi
  if [ -z "$daprd" ]; then
    echo "ENGINE=$ENGINE needs Dapr: the stand-in for it has only Redis and memory." >&2
    exit 1
  fi
  components=deploy/engines/$ENGINE
fi

# lock_run: one run at a time in this folder, or a sentence and exit 1. All processes of a run inherit descriptor 9, so that the lock lasts until the last
# of them has ended, even when this script was killed.
lock_run() {
  command -v flock >/dev/null || return 0
  exec 9>>.data/run.lock
  if flock -n 9; then
    echo $$ >.data/run.pid
    return
  fi
  local first="" file pid parent list=" " left=""
  read -r first <.data/run.pid || true
  for file in /proc/[0-9]*/fd/9; do
    pid=${file#/proc/}
    pid=${pid%%/*}
    if [ "$pid" != $$ ] && [ "$file" -ef .data/run.lock ]; then list+="$pid "; fi
  done
  if [[ "$list" == *" $first "* ]]; then
    echo "./run.sh is running in this folder already, as process $first. Stop it with Ctrl-C in its terminal, or with: kill $first" >&2
    exit 1
  fi
  # Those that the others were started by.
  for pid in $list; do
    parent=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || continue
    [[ "$list" == *" $parent "* ]] || left+=" $pid"
  done
  echo "A ./run.sh in this folder was killed, and what it started still runs. End it, and start again: kill$left" >&2
  for pid in $left; do echo "  $pid  $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" >&2; done
  exit 1
}

need_dotnet
mkdir -p .data
lock_run
redis_pid="" runner_pid="" wait_pid=""

stop() {
  trap - EXIT INT TERM
  [ -z "$wait_pid" ] || kill "$wait_pid" 2>/dev/null || true
  [ -z "$runner_pid" ] || { kill -TERM "$runner_pid" 2>/dev/null && wait "$runner_pid" 2>/dev/null; } || true
  [ -z "$redis_pid" ] || { kill -TERM "$redis_pid" 2>/dev/null && wait "$redis_pid" 2>/dev/null; } || true
}
trap stop EXIT
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM

if [ -z "$embedded" ] && grep -q '^  type: .*\.redis$' "$components"/*.yaml && ! redis_answers 6379; then
  if need_redis 9>&-; then
    # Its own session: Ctrl-C is for the services first.
    if ! redis_answers 6379; then
      setsid redis-server --port 6379 --bind 127.0.0.1 --dir "$PWD/.data" --appendonly yes --appendfsync everysec --save "" >.data/redis.log 2>&1 &
      redis_pid=$!
      until redis_answers 6379; do
        kill -0 "$redis_pid" 2>/dev/null || { echo "redis-server could not start on port 6379; .data/redis.log says why." >&2; exit 1; }
        sleep 0.05
      done
    fi
  else
    if [ -n "${ENGINE:-}" ]; then
      echo "ENGINE=$ENGINE needs a Redis on localhost:6379, and there is neither one nor the right to install one." >&2
      exit 1
    fi
    echo "There is no Redis on localhost:6379 and no right to install one: running with everything in memory (--embedded)." >&2
    embedded=--embedded daprd=""
  fi
fi

echo "Building (the first time this takes a minute or two)." >&2
parts=(Run.slnf)
[ -n "$daprd" ] || parts+=(standins/daprd)
for part in "${parts[@]}"; do
  if ! dotnet build "$part" -c Release -v q --nologo -clp:NoSummary >.data/build.log 2>&1 9>&-; then
    cat .data/build.log >&2
    exit 1
  fi
done

# Other users of this machine may neither call the sidecars nor deliver events to the services. ./shop reads the tokens from this file.
token() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
[[ ${DAPR_API_TOKEN:-} == *[![:space:]]* ]] || DAPR_API_TOKEN=$(token)
# daprd before 1.15.13, and 1.16.0 and 1.16.1, does not send it with events: the services would refuse each.
if [ -n "$daprd" ] && [[ $("$daprd" --version) =~ ^1\.(([0-9]|1[0-4])\.|15\.([0-9]|1[0-2])$|16\.[01]$) ]]; then
  echo "This version of daprd does not send APP_API_TOKEN with events, so the services take them from any process on this machine. Install 1.17 or newer." >&2
  APP_API_TOKEN=
else
  [[ ${APP_API_TOKEN:-} == *[![:space:]]* ]] || APP_API_TOKEN=$(token)
fi
export DAPR_API_TOKEN APP_API_TOKEN
# An older file keeps its mode when it is written over.
rm -f .data/tokens
(umask 077 && printf 'DAPR_API_TOKEN=%q\nAPP_API_TOKEN=%q\n' "$DAPR_API_TOKEN" "$APP_API_TOKEN" >.data/tokens)
# ./shop doctor reads the component files.
echo "$components" >.data/components

# run_file: the run file, dapr.yaml with the component files that were chosen, and with further instances of each service but the console. They have the
# app id of the first, and folders for their logs of their own.
run_file() {
  if [ "$instances$components" = 1components ]; then
    echo dapr.yaml
    return
  fi
  local to=.data/instances
  mkdir -p "$to"
  awk -v instances="$instances" -v components="$components" '
    function flush(   number, at, line) {
      for (number = 1; number <= (block[0] ~ /console/ ? 1 : instances); number++) {
        for (at = 0; at < size; at++) {
          line = block[at]
          if (line ~ /([pP]ort|_PORT): / && match(line, /[0-9]+/)) {
            line = substr(line, 1, RSTART - 1) (substr(line, RSTART, RLENGTH) + 100 * (number - 1)) substr(line, RSTART + RLENGTH)
          }
          if (line ~ /appDirPath: /) {
            if (number == 1) sub(/appDirPath: /, "&../../", line)
            else sub(/appDirPath: .*\//, "appDirPath: " number "/", line)
          }
          if (number > 1) sub(/\.\.\/\.\.\/artifacts/, "../../../../artifacts", line)
          print line
        }
      }
      size = 0
    }
    /^  - appID: / { flush(); isApp = 1 }
    isApp { block[size++] = $0; next }
    /\[components\]/ { sub(/components/, "../../" components); print; next }
    { gsub(/components/, "../../components"); print }
    END { flush() }
  ' dapr.yaml >"$to/dapr.yaml"
  local number service
  for ((number = 2; number <= instances; number++)); do
    for service in $(sed -n 's|^ *appDirPath: .*/||p' dapr.yaml); do mkdir -p "$to/$number/$service"; done
  done
  echo "$to/dapr.yaml"
}
run_file=$(run_file)

program=artifacts/bin/daprd/release/daprd.dll
shop=(dotnet artifacts/bin/Shop/release/Shop.dll)

if [ -n "$daprd" ]; then
  runner=(dapr run -f "$run_file")
  echo "Running under Dapr: daprd $("$daprd" --version), dapr $(dapr --version | awk '/^CLI version:/ { print $3 }')${ENGINE:+, on $components}." >&2
  if [ "$daprd" != "${DAPR_RUNTIME_PATH:-${HOME:-}}/.dapr/bin/daprd" ]; then
    # 'dapr run' looks for it in no other place.
    mkdir -p .data/.dapr/bin
    ln -sf "$(realpath "$daprd")" .data/.dapr/bin/daprd
    export DAPR_RUNTIME_PATH="$PWD/.data"
  fi
else
  runner=(dotnet "$program" run -f "$run_file" $embedded)
  echo "Running with the stand-in for Dapr (standins/daprd), which behaves as daprd $(dotnet "$program" --version)." >&2
fi

# addresses NUMBER: options of ./shop for these instances.
addresses() {
  local more=$((100 * ($1 - 1)))
  [ "$more" = 0 ] || echo "--orders http://localhost:$((5001 + more)) --stock http://localhost:$((5002 + more))" \
    "--payments http://localhost:$((5003 + more)) --coupons http://localhost:$((5004 + more))"
}

# ready: waits until all services serve.
ready() {
  local number
  for ((number = 1; number <= instances; number++)); do
    ready_instance "$number" || return
  done
}

# ready_instance NUMBER: waits until these instances serve; when the runner has ended instead, its exit code is ours.
ready_instance() {
  "${shop[@]}" wait --timeout 60 $(addresses "$1") &
  wait_pid=$!
  while kill -0 "$wait_pid" 2>/dev/null; do
    if ! kill -0 "$runner_pid" 2>/dev/null; then
      kill "$wait_pid" 2>/dev/null || true
      local code=0
      wait "$runner_pid" || code=$?
      [ -z "$daprd" ] || echo "'dapr run' has ended with exit code $code before the shop was ready. ./run.sh --standin runs without Dapr." >&2
      return 1
    fi
    sleep 0.1
  done
  wait "$wait_pid" && return
  # 'dapr run' stays when what it has started ends.
  echo "services/*/.dapr/logs/ may say why." >&2
  return 1
}

# added: a line for each participant that dapr.yaml has beside the shop's own apps.
added() {
  local steps app port
  # What dapr.yaml gives to Orders comes before the environment.
  steps=$(sed -n 's/^ *Saga__Steps: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' dapr.yaml)
  steps=",$(tr -d ' ' <<<"${steps:-${Saga__Steps:-}}"),"
  awk '$2 == "appID:" { app = $3 } $1 == "appPort:" && app !~ /^(orders|stock|payments|coupons|console)$/ { print app, $2 }' dapr.yaml |
    while read -r app port; do
      printf '    %-10s gRPC localhost:%s' "${app^}" "$port"
      [[ "$steps" == *",$app,"* ]] || printf '   not in Saga__Steps of Orders: no order waits for it'
      echo
    done
}

if [ -n "$demo" ]; then
  "${runner[@]}" >.data/demo.log 2>&1 &
  runner_pid=$!
  ready || { tail -n 5 .data/demo.log >&2; exit 1; }
  "${shop[@]}" demo $json
  exit
fi

"${runner[@]}" &
runner_pid=$!
ready || exit 1
"${shop[@]}" fill || echo "The shop has no products yet: ./shop fill creates some." >&2
token="" metadata=""
if [ "${Auth__Mode:-}" = jwt ]; then
  token=" -H \"Authorization: Bearer \$SHOP_TOKEN\"" metadata=" -H \"authorization: Bearer \$SHOP_TOKEN\""
fi
further=""
for ((number = 2; number <= instances; number++)); do
  more=$((100 * (number - 1)))
  further+="
    instance $number of each: ports $more higher, such as Orders at localhost:$((5001 + more)) and http://localhost:$((8080 + more))/api/orders
               log files .data/instances/$number/*/.dapr/logs/
"
done
cat <<TXT

  The shop is open.

    console    http://localhost:8085

    Orders     gRPC localhost:5001   JSON http://localhost:8080/api/orders
    Stock      gRPC localhost:5002
    Payments   gRPC localhost:5003
    Coupons    gRPC localhost:5004
TXT
added
cat <<TXT
    sidecars   gRPC localhost:50001-50005, HTTP 3501-3505
    log files  services/*/.dapr/logs/
$further
  Try:
    curl -s -X POST http://localhost:8080/api/orders/choreography/mina \\
         -H 'Content-Type: application/json'$token \\
         -d '{"items":[{"productId":"mouse","quantity":2}],"userCouponId":"welcome-mina","recipientName":"Mina"}'
    grpcurl -plaintext$metadata -d '{"order":"ORD-..."}' localhost:5001 shop.v1.OrderService/ExplainOrder

  Ctrl-C stops everything.

TXT
code=0
wait "$runner_pid" || code=$?
[ -z "$daprd" ] || echo "'dapr run' has ended with exit code $code." >&2
exit "$code"
