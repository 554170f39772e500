#!/usr/bin/env bash
# Copies each program's folder bin/X/release to bin/X/release_r2r, with native code in its assemblies.
#
#   compile.sh CROSSGEN SHARED VERSION BIN    the compiler, the folder of the runtimes, the version of .NET, and the folder of the programs
set -euo pipefail
export crossgen=$1 runtime=$2/Microsoft.NETCore.App/$3 web=$2/Microsoft.AspNetCore.App/$3
cd "$4"

compile() {
  local from=$1/release/$2 to=$1/release_r2r/$2
  "$crossgen" "$from" -o "$to" -O -r "$1/release/*.dll" -r "$runtime/*.dll" -r "$web/*.dll" >"$to.log" || { cat "$to.log"; return 1; }
  rm "$to.log"
}
export -f compile

# An assembly that several programs have is compiled once, for the first of them.
declare -A compiled=()
work=() shared=()
for program in Orders Stock Payments Coupons Console Points daprd; do
  [ -d "$program/release" ] || continue
  rm -rf "$program/release_r2r"
  cp -a "$program/release" "$program/release_r2r"
  for file in "$program"/release/*.dll; do
    sum=$(md5sum <"$file")
    if [ -z "${compiled[$sum]:-}" ]; then
      compiled[$sum]=$program/release_r2r/${file##*/}
      work+=("$program" "${file##*/}")
    else
      shared+=("${compiled[$sum]}" "$program/release_r2r/${file##*/}")
    fi
  done
done
printf '%s\0' "${work[@]}" | xargs -0 -n 2 -P "$(nproc)" bash -c 'compile "$@"' compile
for ((i = 0; i < ${#shared[@]}; i += 2)); do cp "${shared[i]}" "${shared[i + 1]}"; done
