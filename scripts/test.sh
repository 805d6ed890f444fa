#!/usr/bin/env bash
# Usage: ./dev test [operator | cluster] [--long] [--kubernetes] [--cluster] [--only REGEX] [--asan | --tsan]
# Run every test: units, integration with real servers, end to end. Sets up and builds what it needs.
#
#   operator       only those of the operator and its chart, against a Kubernetes API server
#   cluster        only those on a node that runs pods: a whole installation; needs root
#   --only REGEX   only the test programs (ctest -R) and Python tests whose name matches
#   --long         also the tests that take more than a minute each, every call of the operator in place
#                  of every seventh where one fails, and every fuzzer for a minute
#   --kubernetes   also the tests against a Kubernetes API server (C++: label kubernetes)
#   --cluster      also those on a node that runs pods; needs root
#   --asan         with AddressSanitizer and UndefinedBehaviorSanitizer
#   --tsan         with ThreadSanitizer: the unit tests only, since it does not know what orders the
#                  threads of gRPC and Arrow (tests/tsan.supp)
#
# Servers that do not run are started, and stopped at the end. The closing line is `N passed, N failed`
# over all suites; the exit code is 0 only when nothing failed. Reports are in .run/tests/.
source "$(dirname "$0")/lib/common.sh"
source "$(dirname "$0")/lib/with_servers.sh"

preset=release
only=""
suite=""
long=false
kubernetes=false
cluster=false
pytest_arguments=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    operator) suite=operator kubernetes=true pytest_arguments+=(--kubernetes) ;;
    cluster) suite=cluster kubernetes=true cluster=true pytest_arguments+=(--cluster) ;;
    --long) long=true ;;
    --kubernetes) kubernetes=true pytest_arguments+=(--kubernetes) ;;
    --cluster) kubernetes=true cluster=true pytest_arguments+=(--cluster) ;;
    --asan) preset=asan ;;
    --tsan) preset=tsan ;;
    --only)
      [[ $# -ge 2 ]] || usage_error "--only needs a regular expression"
      only=$2
      shift
      ;;
    *) usage_error "unknown argument '$1'" ;;
  esac
  shift
done

reports="$RUN/tests"
build="$ROOT/build/$preset"
failed=0

# run_ctest LABEL JOBS: the test programs with this label; each also writes its cases for the count. A suite's are
# those of the folder with its name, as are those in Python.
run_ctest() {
  local label=$1 jobs=$2 arguments=(-L "^$1\$" --output-on-failure -j "$2")
  [[ -z $only ]] || arguments+=(-R "$only")
  GTEST_OUTPUT="xml:$reports/cases/" \
    ctest --test-dir "$build/$suite" "${arguments[@]}" --output-junit "$reports/ctest-$label.xml" || failed=1
}

# Exit code 5 is "no test matched", which is fine when --only asked for something else.
run_pytest() {
  local arguments=(--junitxml="$reports/pytest.xml" "${pytest_arguments[@]}") code=0
  [[ -z $only ]] || arguments+=(--only "$only")
  if $long; then arguments+=(--long); fi
  "$VENV_PYTHON" -m pytest -c tests/pytest.ini --rootdir tests "${arguments[@]}" "tests/$suite" || code=$?
  [[ $code == 0 || ($code == 5 && -n $only) ]] || failed=1
}

fuzz=$long
[[ -z $suite ]] || fuzz=false
labels=(unit)
[[ $preset == tsan ]] || labels+=(integration)
if $long && [[ $preset != tsan ]]; then labels+=(long); fi
if $kubernetes && [[ $preset != tsan ]]; then labels+=(kubernetes); fi
[[ $suite != cluster ]] || labels=()
servers=(kafka opensearch s3 smtp)
if $kubernetes && [[ $suite != cluster ]]; then servers+=(kubernetes); fi

server_steps=$([[ $preset == tsan ]] && echo 0 || echo 2)
steps $((2 + ${#labels[@]} + server_steps + $($fuzz && echo 1 || echo 0) + $($cluster && echo 1 || echo 0)))
rm -rf "$reports"
mkdir -p "$reports/cases"
step "Set up"
if $kubernetes; then scripts/setup.sh --kubernetes; else scripts/setup.sh; fi
step "Build ($preset)"
scripts/build.sh "$preset"
export LEVADA_BUILD_DIR="$build"
if $long; then export LEVADA_LONG_TESTS=1; fi
export TSAN_OPTIONS="suppressions=$ROOT/tests/tsan.supp history_size=4"
if $cluster; then
  step "Image for the node"
  scripts/images.sh
fi
if [[ $preset != tsan ]]; then
  step "Servers"
  start_servers "${servers[@]}"
fi
for label in "${labels[@]}"; do
  step "C++ tests: $label"
  run_ctest "$label" "$([[ $label == unit ]] && nproc || echo 1)"
done
if [[ $preset != tsan ]]; then
  step "Python tests: servers, end to end, faults"
  run_pytest
fi
if $fuzz; then
  step "Fuzzers, a minute each"
  scripts/fuzz.sh --seconds 60 || failed=1
fi

echo
echo "${bold}Results after $(elapsed)${plain}"
"$VENV_PYTHON" scripts/lib/count_results.py "$reports" || failed=1
exit $failed
