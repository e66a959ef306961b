# The cases of bench/run: what is measured, one function each. The round, and the system under test, are given.
# shellcheck shell=bash

# name, systems by default, what it is
cases=(
  'append    eruca,bare      the store alone, in this process, beside the same bytes copied and written'
  'start     eruca,java      spawn on an empty store to the first acknowledgement'
  'sync64    eruca,java      1 KB synchronous sends of 64 threads of one Java client'
  'sync1     eruca,java      1 KB synchronous sends of one thread of a Java client'
  'flush64   eruca,java      the same 64 threads with flushDiskType=SYNC_FLUSH'
  'official  eruca,java      the official benchmark: Producer and BatchProducer'
  'official-consumer eruca,java the official benchmark: Producer and Consumer at the same time'
  'pipelined eruca,java,echo 1 KB, 64 raw connections with 16 requests under way on each'
  'single64  eruca,java,echo 1 KB, 64 raw connections with one request under way on each'
  'batch     eruca,java,echo batches of 32 x 128 B, 16 raw connections with 4 under way'
  'flush-raw eruca,java      64 raw connections with one request, flushDiskType=SYNC_FLUSH'
  'latency   eruca,java      a fixed rate, from due time to the listener of a push consumer'
  'timers    eruca,java      messages due together, in one second and in one millisecond, while a million wait'
  'backlog   eruca,java      a backlog consumed by raw pulls'
  'backlog-java eruca,java   a backlog consumed by a Java push consumer'
  'restart   eruca,java      kill -9 with a large log: spawn to the first acknowledgement'
  'replicated64 eruca,java   1 KB, 64 raw connections with one request, each message on a slave before it is acknowledged'
  'catchup   eruca,java      a slave copies a large log, beside cp and a bare loopback copy of the same bytes'
  'topics    eruca,java      many topics of 8 queues beside one topic'
  'queues    eruca           a million queues: memory, start, p99 beside one queue'
  'lite      eruca,java      a hundred thousand lite topics below one parent: memory, processor time, start'
  'idle      up,eruca,java   memory and processor time without load'
)

case_append() {
  local what=store
  [ "$system" = bare ] && what=bare
  cargo build -q --release --locked --manifest-path "$here/../Cargo.toml" -p eruca-store --example append
  "$here/../target/release/examples/append" "$work/append" $what | record
}

case_start() {
  dir=$work/server-$name-$system-$round
  mkdir -p "$dir"
  export SERVER=$system
  namesrv=$("$servers" start-namesrv "$dir")
  start_broker_and_time ''
  stop
}

# The Java client's synchronous sends. The rest of the arguments goes to the broker's configuration.
java_sends() { # java_sends THREADS [key=value...]
  local threads=$1
  shift
  start "$@"
  java_properties=(-Dbench.threads="$threads")
  java_client bench.Load send "$namesrv" "$pids" | record
  stop
}
case_sync64() { java_sends 64; }
case_sync1() { java_sends 1; }
case_flush64() { java_sends 64 flushDiskType=SYNC_FLUSH; }

# Runs an official program and measures from outside: the broker's CPU time, and the offsets of the topic.
official() { # official PREFIX MAIN ARGS...
  local prefix=$1 cpu sent seconds
  shift
  (exec_java "$@") >"$work/official.out" 2>&1 &
  load_pid=$!
  sleep "$WARMUP"
  cpu=$(cpu_seconds "$broker_pid") sent=$(topic_messages official) seconds=$EPOCHREALTIME
  sleep "$MEASURE"
  awk -v cpu="$cpu" -v cpu_end="$(cpu_seconds "$broker_pid")" -v sent="$sent" \
    -v sent_end="$(topic_messages official)" -v start="$seconds" -v end="$EPOCHREALTIME" 'BEGIN {
      messages = sent_end - sent
      if (messages <= 0) { print "no message of the official program arrived"; exit 1 }
      printf "per_second\t%.3f\ncpu_us_per_message\t%.3f\n", messages / (end - start), (cpu_end - cpu) * 1e6 / messages
    }' | record "$prefix" || { tail -5 "$work/official.out" >&2; return 1; }
  # The program is a child of the shell that runs the function.
  end_client "$load_pid"
  load_pid=
  # What the program itself says of its last second.
  grep -a 'TPS' "$work/official.out" | tail -1 | sed "s/^/   $system $prefix: /" >&2 || true
}

# Their own topic has 1,024 queues, whose files a new Java broker makes for a quarter of a minute, refusing sends meanwhile.
official_topic() { fill produce -t official --queues 8 --count 1000; }

case_official() {
  local benchmark=org.apache.rocketmq.example.benchmark
  start
  official_topic
  official send_ "$benchmark.Producer" -n "$namesrv" -t official -w 64 -s 1024 -ri 1000
  official batch_ "$benchmark.BatchProducer" -n "$namesrv" -t official -w 8 -b 32 -s 128 -ri 1000
  stop
}

case_official-consumer() {
  local benchmark=org.apache.rocketmq.example.benchmark
  start
  official_topic
  (exec_java "$benchmark.Consumer" -n "$namesrv" -t official -ri 1000) >"$work/consumer.out" 2>&1 &
  consumer_pid=$!
  official '' "$benchmark.Producer" -n "$namesrv" -t official -w 64 -s 1024 -ri 1000
  end_client "$consumer_pid"
  consumer_pid=
  grep -a 'TPS' "$work/consumer.out" | tail -1 | sed "s/^/   $system consumer: /" >&2 || true
  stop
}

raw_sends() { # raw_sends 'OPTIONS' [key=value...]
  local options=$1
  shift
  start "$@"
  # shellcheck disable=SC2086  # options are words
  bench '' produce --seconds "$MEASURE" --warmup "$WARMUP" $options
  stop
}
case_pipelined() { raw_sends '--connections 64 --outstanding 16'; }
case_single64() { raw_sends '--connections 64 --outstanding 1'; }
case_batch() { raw_sends '--connections 16 --outstanding 4 --batch 32 --size 128'; }
case_flush-raw() { raw_sends '--connections 64 --outstanding 1' flushDiskType=SYNC_FLUSH; }

case_latency() {
  start
  bench '' latency --rate "$RATE" --seconds "$MEASURE" --warmup "$WARMUP"
  stop
}

case_timers() {
  start
  timers second_ --pending "$PENDING" --spread-ms 1000
  # The million still waits.
  timers millisecond_ --pending 0 --spread-ms 1
  stop
}

timers() { # timers PREFIX OPTION...
  local prefix=$1
  shift
  "$ERUCA" bench timers -t timers -n "$namesrv" --broker-pid "$broker_pid" --quiet --burst 100000 --lead 25 --json "$@" >"$work/load.json"
  python3 "$here/report.py" flatten "$work/load.json" | record "$prefix"
}

# Fills the topic `backlog`, as single messages, from few connections: neighbours in the log are of different queues.
fill_backlog() { fill produce -t backlog --queues 8 --count "$1" --connections 8 --outstanding 16; }

case_backlog() {
  start
  fill_backlog "$BACKLOG"
  bench '' consume -t backlog
  stop
}

case_backlog-java() {
  start
  fill_backlog "$BACKLOG"
  java_properties=(-Dbench.backlog="$BACKLOG")
  java_client bench.Load consume "$namesrv" "$pids" | record
  stop
}

case_restart() {
  # A record of such a message has about 1.3 KB.
  local count=$((LOG_MB * 1000000 / 1280)) stored
  start
  # In batches: a Java broker would take minutes for so many requests.
  fill produce -t backlog --queues 8 --count "$count" --batch 16
  # What was acknowledged; a Java broker's offsets come some time after its acknowledgements.
  stored=$(python3 "$here/report.py" flatten "$work/fill.json" | awk '$1 == "messages" { printf "%d", $2 }')
  "$servers" stop-broker "$dir" kill
  note log_mb "$(du -sm "$dir/store/commitlog" | cut -f 1)"
  start_broker_and_time ''
  note lost_messages $((stored - $(topic_messages backlog)))
  stop
}

# A slave of the same system, in $slave; its process id in slave_pid.
start_slave() {
  slave=$dir/slave
  mkdir -p "$slave"
  "$servers" start-member "$slave" "$namesrv" "${conf_always[@]}" brokerId=1 brokerRole=SLAVE >/dev/null
  slave_pid=$("$servers" pid "$slave" broker)
}

# Waits until the slave lacks nothing; a hang ends.
await_copy() {
  local try
  for ((try = 0; try < 6000; try++)); do
    "$ERUCA" admin haStatus -b "$broker" 2>/dev/null | awk 'NF >= 6 && $1 !~ /^#/ { found = 1; behind += $3 } END { exit !(found && behind == 0) }' \
      && return
    sleep 0.05
  done
  echo "the slave did not catch up" >&2
  return 1
}

case_replicated64() {
  start brokerRole=SYNC_MASTER inSyncReplicas=2
  start_slave
  await_copy
  bench '' produce --connections 64 --outstanding 1 --seconds "$MEASURE" --warmup "$WARMUP"
  stop
}

# Each copy begins with a disk that has nothing left to write, and with memory of the same kind: what a removed file frees goes back
# to the host of a virtual machine.
even_start() {
  sync -f "$work"
  fill_page_cache
}

case_catchup() {
  local count=$((LOG_MB * 1000000 / 1280)) began cpu seconds
  start
  start_slave
  fill produce -t backlog --queues 8 --count 1000
  await_copy
  "$servers" stop-broker "$slave" clean
  fill produce -t backlog --queues 8 --count "$count" --batch 16
  note log_mb "$(du -sm "$dir/store/commitlog" | cut -f 1)"
  even_start
  began=$EPOCHREALTIME
  cp -r "$dir/store/commitlog" "$dir/copy"
  seconds=$(awk -v began="$began" -v end="$EPOCHREALTIME" 'BEGIN { print end - began }')
  note cp_seconds "$seconds"
  rm -rf "$dir/copy"
  even_start
  note loopback_seconds "$("$here/loopback" "$dir/store/commitlog" "$dir/copy")"
  rm -rf "$dir/copy"
  even_start
  # As often as a broker forces its log to the disk (flushIntervalCommitLog).
  note loopback_synced_seconds "$("$here/loopback" "$dir/store/commitlog" "$dir/copy" 500)"
  rm -rf "$dir/copy"
  even_start
  "$servers" start-broker "$slave" "${conf_always[@]}" brokerId=1 brokerRole=SLAVE
  # A slave is ready before it has copied anything.
  slave_pid=$("$servers" pid "$slave" broker)
  began=$EPOCHREALTIME cpu=$(cpu_seconds "$slave_pid")
  await_copy
  awk -v began="$began" -v end="$EPOCHREALTIME" -v cpu="$cpu" -v cpu_end="$(cpu_seconds "$slave_pid")" \
    'BEGIN { printf "seconds\t%.3f\nslave_cpu_seconds\t%.3f\n", end - began, cpu_end - cpu }' | record
  stop
}

case_topics() {
  local many=(-t many --topics "$TOPICS" --queues 8)
  start
  bench one_ produce -t one --queues 8 --seconds "$MEASURE" --warmup "$WARMUP" --connections 64 --outstanding 1
  # Topics are created, and each queue has had a message, before anything is measured.
  fill produce "${many[@]}" --count $((TOPICS * 8)) --connections 64 --outstanding 1
  bench many_ produce "${many[@]}" --seconds "$MEASURE" --warmup "$WARMUP" --connections 64 --outstanding 1
  bench again_ produce -t one --seconds "$MEASURE" --warmup 1 --connections 64 --outstanding 1
  stop
}

case_queues() {
  local one=(-t one --queues 1 --connections 16) many=(-t many --topics "$QUEUE_TOPICS" --queues "$QUEUES_OF_TOPIC" --connections 16)
  local queues=$((QUEUE_TOPICS * QUEUES_OF_TOPIC)) stopping
  start
  note count "$queues"
  # At full speed p99 is the scheduler's; at a fixed rate it is the broker's.
  bench one_ produce "${one[@]}" --outstanding 1 --seconds "$MEASURE" --warmup "$WARMUP"
  bench one_paced_ produce "${one[@]}" --rate "$QUEUES_RATE" --seconds "$MEASURE" --warmup 1
  fill produce "${many[@]}" --size 128 --outstanding 16 --count $((queues * 3))
  note rss_filled_mb "$(memory_mb VmRSS "$broker_pid")"
  bench many_ produce "${many[@]}" --outstanding 1 --seconds "$MEASURE" --warmup "$WARMUP"
  bench many_paced_ produce "${many[@]}" --rate "$QUEUES_RATE" --seconds "$MEASURE" --warmup 1
  "$servers" stop-broker "$dir" kill
  start_broker_and_time killed_
  note rss_restarted_mb "$(memory_mb VmRSS "$broker_pid")"
  stopping=$EPOCHREALTIME
  "$servers" stop-broker "$dir" clean
  note clean_stop_ms "$(awk -v b="$stopping" -v e="$EPOCHREALTIME" 'BEGIN { print (e - b) * 1000 }')"
  start_broker_and_time clean_
  stop
}

case_lite() {
  local settings=(enableLmq=true enableMultiDispatch=true maxLiteSubscriptionCount=1000000 maxLmqConsumeQueueNum=1000000)
  start "${settings[@]}"
  "$ERUCA" admin updateTopic -n "$namesrv" -b "$broker" -t bench-lite -r 8 -w 8 -a +message.type=LITE,+lite.topic.expiration=600 >/dev/null
  "$ERUCA" admin updateSubGroup -n "$namesrv" -b "$broker" -g bench-lite-group --attributes +lite.bind.topic=bench-lite >/dev/null
  java_properties=(-Dbench.lites="$LITES" -Dbench.rate="$RATE")
  java_client bench.Load lite "$namesrv" "$pids" "$broker" | record
  java_properties=()
  "$servers" stop-broker "$dir" kill
  start_broker_and_time killed_ "${settings[@]}"
  note rss_restarted_mb "$(memory_mb VmRSS "$broker_pid")"
  "$servers" stop-broker "$dir" clean
  start_broker_and_time clean_ "${settings[@]}"
  stop
}

case_idle() {
  local before
  start
  sleep 10
  before=$(cpu_seconds "$broker_pid")
  sleep "$IDLE"
  note cpu_percent "$(awk -v b="$before" -v e="$(cpu_seconds "$broker_pid")" -v s="$IDLE" 'BEGIN { print (e - b) * 100 / s }')"
  note rss_mb "$(memory_mb VmRSS "$pids")"
  note rss_anonymous_mb "$(memory_mb RssAnon "$pids")"
  stop
}
