#!/usr/bin/env bash
# Measures the whole system: sagas per second, latency, processor time, Redis commands, memory; beside the floor, measured in the same run.
#
#   ./bench.sh              about three minutes; prints a table and writes artifacts/bench.json
#   ./bench.sh --quick      half a minute: 1 and 128 in flight only
#   ./bench.sh --overload   twice the orders that it can take, for a minute: does the throughput hold, and is nothing lost? two minutes
#   ./bench.sh --growth     does an order cost more when there is ten times as much of everything? six minutes
#   ./bench.sh --instances 2   with two instances of each service
#   ./bench.sh --daprd PATH    with a real daprd beside each service, instead of the stand-in
#   ./bench.sh --peer FOLDER   first the same shop built on something else, by FOLDER/run-peer.sh, then this one; prints the ratios
#   ./bench.sh compare      choreography and orchestration in one run: load, a slow participant, one that is down; five minutes
#   ./bench.sh --help       the other options
set -euo pipefail
cd "$(dirname "$0")"
. ./needs.sh

need_dotnet
need_redis || { echo "redis-server is needed for the bench and could not be installed; install it and try again." >&2; exit 1; }
for part in Run.slnf standins/daprd bench/Shop/Bench.Shop.csproj; do
  dotnet build "$part" -c Release -v q --nologo -clp:NoSummary >&2
done
exec dotnet artifacts/bin/Bench.Shop/release/Bench.Shop.dll "$@"
