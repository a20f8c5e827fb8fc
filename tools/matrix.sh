# The versions of a campaign's servers: sourced by tools/crash and tools/property, not run.
# matrix_option takes an option, matrix_pairs prints the pairs (source-target) to run, one a line.

matrix_source= matrix_target= matrix_all=
matrix_usage='
  --source-major N, --target-major N
              the versions of the servers (default: the installed one as the source, the newest as the target)
  --matrix    every pair of 14-18, 15-15, 15-18, 16-18, 17-18 and 18-18, one after the other; tools/servers fetches
              the versions
'

# Sets matrix_taken to the number of words that the option takes; 0 when it is none of these.
matrix_option() {
  matrix_taken=0
  case $1 in
    --source-major | --target-major)
      [[ ${2-} =~ ^[0-9]+$ ]] || return 1
      if [ "$1" = --source-major ]; then matrix_source=$2; else matrix_target=$2; fi
      matrix_taken=2
      ;;
    --matrix) matrix_all=yes matrix_taken=1 ;;
  esac
}

matrix_pairs() {
  if [ -n "$matrix_all" ]; then
    printf '%s\n' 14-18 15-15 15-18 16-18 17-18 18-18
  else
    printf '%s-%s\n' "$matrix_source" "$matrix_target"
  fi
}

# Exports the pair $1 for the tests, and sets matrix_name to its name for people.
matrix_use() {
  export WALRELAY_TEST_SOURCE_MAJOR=${1%-*} WALRELAY_TEST_TARGET_MAJOR=${1#*-}
  matrix_name="${WALRELAY_TEST_SOURCE_MAJOR:-installed} → ${WALRELAY_TEST_TARGET_MAJOR:-newest}"
}
