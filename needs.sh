# What the scripts need on this machine. Sourced, not run.

# need_dotnet: the SDK, or a sentence and exit 1.
need_dotnet() {
  command -v dotnet >/dev/null && return
  echo "The .NET SDK 10 is needed and 'dotnet' was not found: https://dotnet.microsoft.com/download" >&2
  exit 1
}

# need_redis: true when redis-server is there, or could be installed.
need_redis() {
  command -v redis-server >/dev/null && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then return 1; fi
  echo "Installing redis-server with apt-get (it is not on this machine)." >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server; } >/dev/null 2>&1
  command -v redis-server >/dev/null
}

# need_chromium: true when Debian's Chromium, the browser of the tests, is there, or could be installed.
need_chromium() {
  command -v chromium >/dev/null && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then return 1; fi
  echo "Installing chromium with apt-get (it is not on this machine)." >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null 2>&1
  command -v chromium >/dev/null
}

# need_prometheus: prints the folder with prometheus and promtool: one of PATH, or that of Debian's package, which is unpacked into a cache and not
# installed. False when there is none.
need_prometheus() {
  local found cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/daprsaga/prometheus unpacked
  found=$(command -v promtool) && [ -x "${found%/*}/prometheus" ] && { echo "${found%/*}"; return; }
  if [ ! -x "$cache/usr/bin/promtool" ]; then
    command -v apt-get >/dev/null && command -v dpkg >/dev/null && mkdir -p "${cache%/*}" && unpacked=$(mktemp -d "$cache.XXXXXX") || return 1
    echo "Downloading prometheus with apt-get (it is not on this machine) into $cache." >&2
    if ! (
      cd "$unpacked" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; } && dpkg -x prometheus_*.deb .
    ) >/dev/null 2>&1; then
      rm -rf "$unpacked"
      return 1
    fi
    rm -f "$unpacked"/*.deb
    # Another process may have been faster.
    mv -T "$unpacked" "$cache" 2>/dev/null || rm -rf "$unpacked"
  fi
  [ -x "$cache/usr/bin/promtool" ] && echo "$cache/usr/bin"
}

# daprd_path: prints where daprd is: where 'dapr init' puts it, or else in PATH. False when there is none.
daprd_path() {
  local initialized="${DAPR_RUNTIME_PATH:-${HOME:-}}/.dapr/bin/daprd"
  if [ -x "$initialized" ]; then echo "$initialized"; else command -v daprd; fi
}

# redis_answers PORT: true when a Redis answers there; waits while it loads its data.
redis_answers() {
  while { exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'PING\r\n' >&3 && IFS= read -r -t 15 answer <&3 && exec 3>&-; } 2>/dev/null; do
    case "$answer" in
      -LOADING*) sleep 0.2 ;;
      # Also one that asks for a password or cannot write: a second one could not listen there.
      +PONG* | -*) return 0 ;;
      *) return 1 ;;
    esac
  done
  return 1
}
