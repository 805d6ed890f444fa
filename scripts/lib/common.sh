# shellcheck shell=bash
# Sourced by every command in scripts/: where things are, and how a command says what it does.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
DEPS="$ROOT/.deps"
RUN="$ROOT/.run"
VENV_PYTHON="$DEPS/venv/bin/python"
cd "$ROOT"

bold="" red="" dim="" plain=""
if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  bold=$'\e[1m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'
fi

started_at=$SECONDS
step_number=0
step_total=0

elapsed() { printf '%d:%02d' $(((SECONDS - started_at) / 60)) $(((SECONDS - started_at) % 60)); }

# steps N: how many calls of `step` follow.
steps() { step_total=$1 step_number=0; }

# step TEXT: begins the next step.
step() {
  step_number=$((step_number + 1))
  echo "${bold}[$step_number/$step_total $(elapsed)] $*${plain}"
}

note() { echo "${dim}      $*${plain}"; }
warn() { echo "${red}warning:${plain} $*" >&2; }
die() { echo "${red}error:${plain} $*" >&2; exit 1; }

# A wrong argument: exit code 2, as for every command-line mistake.
usage_error() {
  echo "${red}error:${plain} $*; see ./dev $(basename "$0" .sh) --help" >&2
  exit 2
}

# require_setup: for commands that use what `./dev setup` installs but need not install it themselves.
require_setup() { [[ -x $VENV_PYTHON ]] || die "run ./dev setup first"; }
