# For bench/run and its cases: servers under test, what they cost, and where results go.
# shellcheck shell=bash

servers=$here/../interop/servers
work=$(mktemp -d "${TMPDIR:-/tmp}/eruca-bench.XXXXXX")
results=$work/results.tsv
: >"$results"
# 1 GB segments, as both systems have them by default.
conf_always=(mappedFileSizeCommitLog=1073741824)

trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Whatever a case has left running ends with it.
end_case() {
  local pid
  for pid in ${echo_pid:-} ${load_pid:-} ${consumer_pid:-}; do end_client "$pid"; done
  [ ! -d "${dir:-}" ] || { stop_servers || true; rm -rf "$dir"; }
}

say() { echo "-- $*" >&2; }

# Memory that a virtual machine has not touched for long comes from its host, page by page, some microseconds each: a log of a
# few gigabytes would measure that, and later rounds less of it than earlier ones. So the page cache is full, as on a
# machine that has been at work for a while. The files are holes: they take no disk.
PAGE_CACHE_MAX_KB=$((32 << 20))
fill_page_cache() {
  local kb file
  [ "$(stat -f -c %T "$work")" != tmpfs ] || return 0
  kb=$(awk -v max="$PAGE_CACHE_MAX_KB" '$1 == "MemFree:" { kb = $2 - 400000; print (kb > max ? max : kb) }' /proc/meminfo)
  [ "$kb" -gt 0 ] || return 0
  # The ones of earlier cases stay: they give way by themselves, and removed they would be free memory again.
  file=$(mktemp "$work/page-cache.XXXXXX")
  truncate -s "${kb}K" "$file"
  cat "$file" >/dev/null
}

# Adds lines "metric TAB value" to the results of this case, server and round; shows anything else.
record() { # record [PREFIX]
  awk -v name="$name" -v server="$system" -v round="$round" -v prefix="${1:-}" -v file="$results" -F '\t' \
    'NF == 2 { print name "\t" server "\t" round "\t" prefix $1 "\t" $2 >> file; next } { print > "/dev/stderr" }'
}

note() { printf '%s\t%s\n' "$1" "$2" | record; } # note METRIC VALUE

# Starts the system under test in a new directory. Sets namesrv, broker, broker_pid and pids.
start() { # start [key=value...]
  dir=$work/server-$name-$system-$round
  mkdir -p "$dir"
  case $system in
    echo)
      "$ERUCA" bench echo --file "$dir/bodies" >"$dir/echo.out" &
      echo_pid=$!
      until grep -q '^echo ' "$dir/echo.out"; do
        kill -0 "$echo_pid" || { echo "the echo server ended" >&2; return 1; }
        sleep 0.05
      done
      broker=$(sed -n 's/^echo //p' "$dir/echo.out")
      broker_pid=$echo_pid
      pids=$echo_pid
      ;;
    up)
      export SERVER=eruca
      namesrv=$("$servers" start-up "$dir")
      broker_pid=$("$servers" pid "$dir" up)
      pids=$broker_pid
      ;;
    *)
      export SERVER=$system
      namesrv=$("$servers" start "$dir" "${conf_always[@]}" "$@")
      after_start
      ;;
  esac
}

after_start() {
  broker=127.0.0.1:$(cat "$dir/broker.port")
  broker_pid=$("$servers" pid "$dir" broker)
  pids=$broker_pid,$("$servers" pid "$dir" namesrv)
}

stop() {
  if [ "$system" = echo ]; then
    kill "$echo_pid"
    wait "$echo_pid" || true
    echo_pid=
  else
    stop_servers
  fi
  rm -rf "$dir"
}

# Nobody needs the store any more, and a clean end of very many queues takes time.
stop_servers() {
  [ -z "${slave:-}" ] || "$servers" stop-broker "$slave" kill || true
  slave=
  [ "$system" = up ] || "$servers" stop-broker "$dir" kill
  "$servers" stop "$dir"
}

# Where `eruca bench` sends: the floor has no name server.
target() {
  if [ "$system" = echo ]; then echo "--broker $broker"; else echo "--namesrv $namesrv"; fi
}

# Runs `eruca bench` on the system under test and records its results.
bench() { # bench PREFIX COMMAND [OPTION...]
  local prefix=$1
  shift
  # shellcheck disable=SC2046  # an option and its value
  "$ERUCA" bench "$@" $(target) --broker-pid "$broker_pid" --quiet --json "$work/load.json" >"$work/load.txt" \
    || { cat "$work/load.txt" >&2; return 1; }
  sed "s/^/   $system $prefix: /" "$work/load.txt" >&2
  python3 "$here/report.py" flatten "$work/load.json" | record "$prefix"
}

# The same without results: fills topics. What was acknowledged is in $work/fill.json.
fill() { # fill produce [OPTION...]
  # shellcheck disable=SC2046
  "$ERUCA" bench "$@" $(target) --quiet --json "$work/fill.json" >"$work/load.txt" || { cat "$work/load.txt" >&2; return 1; }
}

# A program of bench/java or of the official benchmark, with the Java client. Replaces the shell, so that in the
# background (`(exec_java …) &`) the process id is that of the program.
exec_java() { # exec_java MAIN ARGS...
  exec java -Xms1g -Xmx2g -Duser.home="$work/client" -Dbench.seconds="$MEASURE" -Dbench.warmupSeconds="$WARMUP" \
    "${java_properties[@]}" -cp "$here/java/target/classes:$here/java/target/lib/*" "$@"
}

java_client() { (exec_java "$@"); }

end_client() { # end_client PID
  kill -KILL "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

# Processor time of a process in seconds, user and system.
cpu_seconds() {
  # The name may hold blanks; fields are counted behind its bracket.
  sed 's/.*) //' "/proc/$1/stat" | awk -v ticks="$(getconf CLK_TCK)" '{ print ($12 + $13) / ticks }'
}

# Memory of processes (comma-separated) in MB: VmRSS, or RssAnon without pages of files.
memory_mb() { # memory_mb VmRSS|RssAnon PIDS
  local pid
  for pid in ${2//,/ }; do cat "/proc/$pid/status"; done | awk -v name="$1:" '$1 == name { kb += $2 } END { print kb / 1024 }'
}

# Messages that a topic ever got, of all its queues.
topic_messages() {
  "$ERUCA" admin topicStatus -n "$namesrv" -t "$1" 2>/dev/null \
    | awk '$2 ~ /^[0-9]+$/ { messages += $4 - $3 } END { print messages + 0 }'
}

# From the spawn of the broker, on whatever lies in its store, to its first acknowledgement.
start_broker_and_time() { # start_broker_and_time PREFIX [key=value...]
  local first=$work/first-ack.out prefix=$1
  shift
  : >"$first"
  (exec_java bench.FirstAck "127.0.0.1:$(cat "$dir/broker.port")" "$dir/broker.started") >"$first" 2>"$first.err" &
  load_pid=$!
  until grep -q armed "$first"; do
    kill -0 "$load_pid" 2>/dev/null || { cat "$first.err" >&2; return 1; }
    sleep 0.05
  done
  "$servers" start-broker "$dir" "${conf_always[@]}" "$@"
  wait "$load_pid" || { cat "$first.err" >&2; return 1; }
  load_pid=
  grep -v armed "$first" | record "$prefix"
  after_start
}
