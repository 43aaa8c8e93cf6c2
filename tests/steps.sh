# What `tests/run`, `.ci/run` and `benches/run` share: steps with headings and times, Debian
# packages, Kafka's jars. Sourced by them from the root of the repository.

current_step=
current_step_started=0

# step TITLE COMMAND...: runs a command under a heading, then tells how long it took.
step() {
  current_step=$1 current_step_started=$SECONDS
  shift
  printf '\n== %s\n' "$current_step"
  "$@"
  printf '== %s: %s\n' "$current_step" "$(lasted "$current_step_started")"
  current_step=
}

# lasted STARTED: the time since SECONDS stood at STARTED.
lasted() {
  local seconds=$((SECONDS - $1))
  printf '%dm%02ds' $((seconds / 60)) $((seconds % 60))
}

# The last line of a run that failed names the step, which may stand screens above.
report_failure() {
  local code=$?
  if ((code != 0)) && [[ -n $current_step ]]; then
    printf '\n== %s: FAILED after %s\n' "$current_step" "$(lasted "$current_step_started")" >&2
  fi
}
trap report_failure EXIT

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# apt_install PACKAGE...: installs them, or prints the line that does and fails. The package `jdk`
# stands for the best JDK of this release, as Debian and Ubuntu releases carry different ones.
apt_install() {
  local sudo=sudo
  ((EUID != 0)) || sudo=env
  if ! command -v apt-get > /dev/null || { ((EUID != 0)) && ! sudo_works; }; then
    fail "These Debian packages are missing and can't be installed from here: $*" "Run:" \
      "  sudo apt-get update && sudo apt-get install -y ${*/#jdk/$(jdk_package)}"
  fi
  printf 'installing %s\n' "$*"
  "$sudo" DEBIAN_FRONTEND=noninteractive apt-get update -q
  "$sudo" DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    "${@/#jdk/$(jdk_package)}"
}

# Without a terminal, sudo can't ask for a password.
sudo_works() {
  command -v sudo > /dev/null && { [[ -t 0 ]] || sudo -n true 2> /dev/null; }
}

jdk_package() {
  local package
  for package in openjdk-21-jdk-headless openjdk-17-jdk-headless; do
    if [[ $(apt-cache policy "$package" 2> /dev/null) =~ 'Candidate: '[0-9] ]]; then
      printf '%s' "$package"
      return
    fi
  done
  printf 'default-jdk-headless'
}

# The major version of the JDK on the path, or 0 if there is none.
jdk_version() {
  local version=
  if command -v java > /dev/null && command -v javac > /dev/null; then
    version=$(javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
  fi
  printf '%d' "${version:-0}"
}

# What Kafka runs on.
need_java() {
  local missing=()
  (($(jdk_version) >= 17)) || missing+=(jdk)
  command -v mvn > /dev/null || missing+=(maven)
  if ((${#missing[@]} > 0)); then
    apt_install "${missing[@]}"
  fi
  (($(jdk_version) >= 17)) || fail "Kafka needs JDK 17 or newer, \`javac -version\` says: $(javac -version 2>&1)" \
    "A newer one may be installed beside it. Run:" "  sudo update-alternatives --config java"
}

# What librdkafka, which is built from source, and the crates that link to the system's libraries need.
need_c_toolchain() {
  if ! command -v cc > /dev/null || ! command -v make > /dev/null ||
    ! pkg-config --exists openssl libzstd 2> /dev/null; then
    apt_install build-essential pkg-config libssl-dev libzstd-dev
  fi
}

# What the README's examples use. grpcurl is in no Debian release, so it is built: 1.8.9 is the newest
# version that the Go of Debian 12 can build.
need_readme_tools() {
  command -v curl > /dev/null || apt_install curl
  local version=1.8.9
  local folder=$PWD/target/ci-tools/grpcurl-$version
  if command -v grpcurl > /dev/null || [[ -x $folder/grpcurl ]]; then
    return
  fi
  command -v go > /dev/null || apt_install golang-go
  GOBIN=$folder go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$version"
}

# Prometheus' own tool, for the text of metrics, for rules and for their tests. It is the one thing that is wanted of
# Debian's package, which would start a service; to build it takes ten minutes.
need_promtool() {
  local folder=$PWD/target/ci-tools/promtool
  if command -v promtool > /dev/null || [[ -x $folder/promtool ]]; then
    return
  fi
  command -v apt-get > /dev/null || fail "promtool is missing: install it from Prometheus' releases, version 2.42 or newer."
  if [[ ! $(apt-cache policy prometheus 2> /dev/null) =~ 'Candidate: '[0-9] ]]; then
    local sudo=sudo
    ((EUID != 0)) || sudo=env
    "$sudo" apt-get update -q
  fi
  rm -rf "$folder.partial"
  mkdir -p "$folder.partial"
  (
    cd "$folder.partial"
    apt-get download -q prometheus
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x --strip-components=3 ./usr/bin/promtool
    rm prometheus_*.deb
  )
  rm -rf "$folder"
  mv "$folder.partial" "$folder"
  "$folder/promtool" --version | sed -n 1p
}

# maven_jars NAME: puts the jars that tests/NAME/pom.xml names into target/NAME, once for each version
# of the pom.
maven_jars() {
  # The folder keeps the pom that filled it, which is how the tests know it too.
  if cmp -s "tests/$1/pom.xml" "target/$1/pom.xml"; then
    echo "target/$1 is up to date"
    return
  fi
  rm -rf "target/$1" "target/$1.partial"
  mvn -q -B -f "tests/$1/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$PWD/target/$1.partial"
  cp "tests/$1/pom.xml" "target/$1.partial/"
  mv "target/$1.partial" "target/$1"
}

# Puts Kafka's jars into target/kafka.
kafka_jars() {
  maven_jars kafka
}
