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
  java_client=(java -Xmx768m -Duser.home="$home" -Drocketmq.client.localOffsetStoreDir="$home/offsets"
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
