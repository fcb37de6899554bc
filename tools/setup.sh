#!/usr/bin/env bash
# Makes the locked environment in .venv with the newest TFX that this host can load; does nothing when it is there.
#   PYTHON=/path/to/python tools/setup.sh    uses that interpreter and no other
# Works with bash 3.2 (macOS). Every failure is one line on stderr and exit status 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly UV_VERSION=0.13.9 # the one that wrote uv.lock; used where there is none on PATH
readonly UV_OLDEST=0.8.0   # older ones do not know this lock's revision
readonly GLIBC_NEEDED=2.38 # by the wheels of TFX 1.21, as is the C++ library of GCC 14
readonly CXXABI_NEEDED=15
readonly STAMP=.venv/.setup-stamp
export UV_PYTHON_DOWNLOADS=never
unset VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH UV_PROJECT_ENVIRONMENT

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# Is version $1 at least $2? Only the first three numbers count.
at_least() {
  awk -v have="$1" -v need="$2" 'BEGIN {
    split(have, h, "."); split(need, n, ".")
    for (i = 1; i <= 3; i++) { if (h[i] + 0 > n[i] + 0) exit 0; if (h[i] + 0 < n[i] + 0) exit 1 }
    exit 0
  }'
}

# TFX version that pyproject.toml asks for on Pythons with the marker "$1 '3.11'".
tfx_version() {
  sed -n "s/^ *\"tfx==\([0-9.]*\) ; python_version $1 '3\.11'\".*/\1/p" pyproject.toml
}

# Folders that hold interpreters by version, one a line: pyenv's (by its variable, by its shims on PATH, in the home of
# HOME and of the user database, which differ where a job runs with a home of its own) and uv's.
version_folders() {
  local entry home
  if [ -n "${PYENV_ROOT:-}" ]; then printf '%s\n' "$PYENV_ROOT/versions"; fi
  while IFS= read -r entry; do
    case $entry in */shims) printf '%s\n' "${entry%/shims}/versions" ;; esac
  done < <(tr ':' '\n' <<<"$PATH")
  for home in "${HOME:-}" "$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6)"; do
    printf '%s\n' "$home/.pyenv/versions" "$home/.local/share/uv/python"
  done
  printf '%s\n' "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-/nowhere}/uv/python}"
}

# Every interpreter worth a look, one path a line, in the order of preference.
candidates() {
  if [ -n "${PYTHON:-}" ]; then
    command -v "$PYTHON" || true
    return
  fi
  local version folder path folders
  folders=$(version_folders | awk '!seen[$0]++')
  for version in 3.11 3.12 3.13 3.10; do
    type -ap "python$version" || true
    while IFS= read -r folder; do
      for path in "$folder"/*/bin/"python$version"; do
        if [ -x "$path" ]; then printf '%s\n' "$path"; fi
      done
    done <<<"$folders"
  done
  type -ap python3 || true
}

# One line of facts for every candidate that really runs (a pyenv shim of a version that is not selected does not).
probe_all() {
  local path
  candidates | awk '!seen[$0]++' | while IFS= read -r path; do
    "$path" -I tools/probe_interpreter.py 2>/dev/null </dev/null || true
  done | awk -F'\t' 'NF == 7'
}

# Can Python $1 on platform $2 with glibc $3 and CXXABI $4 load the newer TFX?
carries_newer_tfx() {
  case $1 in 3.11 | 3.12 | 3.13) ;; *) return 1 ;; esac
  case $2 in
    Darwin-arm64) return 0 ;;
    Linux-x86_64) [ "$3" != - ] && at_least "$3" "$GLIBC_NEEDED" && [ "$4" -ge "$CXXABI_NEEDED" ] ;;
    *) return 1 ;;
  esac
}

# Sets python, python_version, headers, tfx and why, from the facts in $1.
choose_interpreter() {
  local facts=$1 minor version platform glibc cxxabi header path rank best=99 newest_seen='' host='an unknown host'
  local newer older
  if [ -n "${PYTHON:-}" ] && [ -z "$facts" ]; then fail "PYTHON must name a Python 3 that runs, but it is '$PYTHON'."; fi
  newer=$(tfx_version '>=')
  older=$(tfx_version '<')
  python=''
  while IFS=$'\t' read -r minor version platform glibc cxxabi header path; do
    if [ -z "$minor" ]; then continue; fi
    host="$platform with glibc $glibc and CXXABI_1.3.$cxxabi"
    case $minor in 3.11 | 3.12 | 3.13) newest_seen=$minor ;; esac
    if carries_newer_tfx "$minor" "$platform" "$glibc" "$cxxabi"; then
      rank=${minor#3.}
    elif [ "$minor" = 3.10 ] && [ "$platform" = Linux-x86_64 ] && [ "$glibc" != - ]; then
      rank=20
    else
      continue
    fi
    # Without Python.h pyfarmhash cannot be built: any interpreter that has it goes first.
    if [ "$header" = no-headers ]; then rank=$((rank + 40)); fi
    if [ "$rank" -lt "$best" ]; then
      best=$rank python=$path python_version=$version headers=$header
      if [ "$minor" = 3.10 ]; then tfx=$older; else tfx=$newer; fi
    fi
  done <<<"$facts"

  if [ -z "$python" ]; then
    fail "no usable interpreter on $host: TFX $newer needs Python 3.11, 3.12 or 3.13 on Linux x86_64 with glibc >=" \
      "$GLIBC_NEEDED and CXXABI_1.3.$CXXABI_NEEDED or on macOS arm64, TFX $older needs Python 3.10 on Linux x86_64." \
      "Install one (uv python install 3.10 brings it to most hosts). Looked for ${PYTHON:-python3.11, python3.12, python3.13, python3.10 and python3 on PATH, in pyenv and in uv};" \
      "these ran: $(awk -F'\t' 'NF && !seen[$2]++ { printf "%s%s (%s)", sep, $2, $7; sep = ", " } END { if (!sep) printf "none" }' <<<"$facts")."
  fi
  if [ "$tfx" = "$newer" ]; then
    why="because ${host%% with *} can load it"
    case $host in Linux*) why="because ${host#* with } suffice (needed: $GLIBC_NEEDED, CXXABI_1.3.$CXXABI_NEEDED)" ;; esac
  elif [ -z "$newest_seen" ]; then
    why="because no Python 3.11 to 3.13, which TFX $newer needs, was found"
  else
    why="because TFX $newer needs glibc >= $GLIBC_NEEDED and CXXABI_1.3.$CXXABI_NEEDED; here: ${host#* with }"
  fi
}

# Stops, in one line, where pyfarmhash (it has no wheels) cannot be built. Exports the compiler where it is not the usual one.
check_compiler() {
  if compgen -G '.venv/lib/python*/site-packages/pyfarmhash-*' >/dev/null; then return; fi
  local name cxx=''
  for name in g++ c++ clang++; do
    if command -v "$name" >/dev/null; then
      cxx=$name
      break
    fi
  done
  if [ -z "$cxx" ]; then
    fail "a C++ compiler is required, to build pyfarmhash for TFX, but g++, c++ and clang++ are not on PATH." \
      "Install one, for instance: apt-get install g++"
  fi
  if [ "$headers" = no-headers ]; then
    fail "Python.h is required, to build pyfarmhash for TFX, but $python comes without it." \
      "Install its headers, for instance: apt-get install python${python_version%.*}-dev"
  fi
  # An interpreter remembers the compiler that built it, often gcc and g++.
  if ! command -v gcc >/dev/null || ! command -v g++ >/dev/null; then
    case $cxx in clang++) export CC="${CC:-clang}" ;; *) export CC="${CC:-cc}" ;; esac
    export CXX="${CXX:-$cxx}"
  fi
}

# Sets uv to one that can read the lock: PATH's, else ours in .tools, installed from the package index once.
find_uv() {
  local version via log
  uv=$(command -v uv || true)
  if [ -n "$uv" ]; then
    version=$("$uv" --version 2>/dev/null | awk '{ print $2 }') || version=0
    if at_least "$version" "$UV_OLDEST"; then return; fi
  fi
  uv=$PWD/.tools/uv/bin/uv
  if "$uv" --version >/dev/null 2>&1; then return; fi
  printf 'setup: installing uv %s from the package index into .tools/\n' "$UV_VERSION"
  mkdir -p .tools
  log=.tools/pip.log
  for via in "$python" "$(command -v python3 || true)" venv; do
    if [ "$via" = venv ]; then
      "$python" -m venv --clear .tools/pip >"$log" 2>&1 || continue
      via=.tools/pip/bin/python
    fi
    "$via" -m pip --version >/dev/null 2>&1 || continue
    if "$via" -m pip install --quiet --no-user --upgrade --target .tools/uv "uv==$UV_VERSION" >"$log" 2>&1; then return; fi
    fail "uv $UV_VERSION could not be installed from the package index; pip's last words (all of them in $log):" \
      "$(grep . "$log" | tail -n 1)"
  done
  fail "uv is required but not on PATH, and neither $python nor python3 has pip or ensurepip to install it with." \
    "Install pip (apt-get install python3-pip) or uv (https://docs.astral.sh/uv/)."
}

# uv carries certificates of its own; a host behind a company's proxy has that proxy's only in the system's file.
trust_system_certificates() {
  if [ -n "${SSL_CERT_FILE:-}" ]; then return; fi
  local file
  for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
    if [ -r "$file" ]; then
      export SSL_CERT_FILE=$file
      return
    fi
  done
}

# Installs what the lock says; the list of packages is only worth a terminal's space where it can be redrawn.
install_locked() {
  local arguments=(sync --locked --all-extras --compile-bytecode --python "$python")
  if [ -t 2 ]; then
    "$uv" "${arguments[@]}"
  else
    "$uv" "${arguments[@]}" 2>&1 | sed -E '/^ ([-+~]|Downloaded) /d'
  fi
}

main() {
  [ -f uv.lock ] || fail "uv.lock is required but is not in $PWD. Check out the whole repository."
  choose_interpreter "$(probe_all)"
  printf 'Python %s (%s): TFX %s, %s\n' "$python_version" "${python/#"${HOME:-/nowhere}"\//"~"/}" "$tfx" "$why"
  local state
  state="$(cat uv.lock pyproject.toml tools/setup.sh | cksum) $python_version $python"
  if [ -x .venv/bin/python ] && [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$state" ]; then return; fi
  check_compiler
  find_uv
  rm -f "$STAMP"
  trust_system_certificates
  install_locked || fail "uv could not make the environment in .venv; its own message is above."
  printf '%s\n' "$state" >"$STAMP"
}

main "$@"
