# Sourced by run, crash and bench/run: building and starting the Java clients.
# shellcheck shell=bash
interop_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# build_java_client VERSION: only if a source is newer than the last build.
build_java_client() {
  local target=$interop_dir/java/target/$1
  if [ -f "$target/.built" ] \
    && [ -z "$(find "$interop_dir/java/src" "$interop_dir/java/pom.xml" -newer "$target/.built" -print -quit)" ]; then
    return
  fi
  mvn -q -B -f "$interop_dir/java/pom.xml" -Drocketmq.version="$1" process-classes
  touch "$target/.built"
}

# java_client_command VERSION HOME: sets java_client to the command that starts a JVM of the Java client, all but the main class.
# HOME keeps the client's logs and broadcast offsets out of the user's own home.
java_client_command() {
  local target=$interop_dir/java/target/$1 home=$2
  mkdir -p "$home"
  java_client=(java "-Xmx${JAVA_CLIENT_HEAP:-768m}" -Duser.home="$home" -Drocketmq.client.localOffsetStoreDir="$home/offsets"
    --add-opens=java.base/java.lang=ALL-UNNAMED -cp "$target/classes:$target/lib/*")
}

# run_java_client VERSION HOME [JVM OPTIONS] MAIN ARGS...
run_java_client() {
  java_client_command "$1" "$2"
  shift 2
  "${java_client[@]}" "$@"
}

# What a broker promises when it acknowledged an offset: the Java one writes it to disk later.
offsets_promise() {
  if [ "$SERVER" = java ]; then echo persisted; else echo acknowledged; fi
}

# Files of SLAVE that are not the same in MASTER, below SUB; such of zeros alone may be missing there (made ahead).
differing_files() { # differing_files MASTER SLAVE SUB
  local file other
  [ -d "$2/store/$3" ] || { echo "$3 is missing"; return; }
  (cd "$2/store/$3" && find . -type f | sort) | while read -r file; do
    other=$1/store/$3/$file
    if [ -f "$other" ]; then
      cmp -s "$2/store/$3/$file" "$other" || echo "$3/$file differs"
    elif ! cmp -s -n "$(stat -c %s "$2/store/$3/$file")" "$2/store/$3/$file" /dev/zero; then
      echo "$3/$file is in the slave only"
    fi
  done
}

# Waits until everything of the slave below SUB is as at the master, and its log ends in the master's last file. After PATIENCE
# seconds (120) it prints what differs, and fails.
await_same_stores() { # await_same_stores MASTER SLAVE SUB...
  local master=$1 slave=$2 deadline differences last sub
  shift 2
  deadline=$(($(date +%s) + ${PATIENCE:-120}))
  while :; do
    differences=
    for sub in "$@"; do differences+=$(differing_files "$master" "$slave" "$sub"); done
    last=$(cd "$master/store/commitlog" && for file in $(printf '%s\n' 0* | sort -r); do
      cmp -s -n 4096 "$file" /dev/zero || { echo "$file"; break; }
    done)
    [ -f "$slave/store/commitlog/$last" ] || differences+=" $last is missing"
    [ -n "$(echo "$differences" | tr -d '[:space:]')" ] || return 0
    [ "$(date +%s)" -lt "$deadline" ] || break
    sleep 0.2
  done
  echo "$differences"
  return 1
}
