#!/usr/bin/env python3
"""The figures of bench/run.

report.py flatten LOAD.json             lines "metric TAB value" of what `eruca bench --json` wrote
report.py report RESULTS.tsv OUT.json   medians over the rounds, ratios, and what must be reached
"""

import json
import os
import platform
import statistics
import sys

# case, metric, what is compared, bound, how to read it. The ratio is that of the medians.
TARGETS = [
    ("sync64", "cpu_us_per_message", "eruca/java", "<=", 1 / 6, "1/6"),
    ("sync64", "per_second", "eruca/java", ">=", 1.5, "1.5 times"),
    ("sync1", "cpu_us_per_message", "eruca/java", "<=", 1 / 5, "1/5"),
    ("sync1", "p99_ms", "eruca/java", "<=", 1 / 2, "1/2"),
    ("pipelined", "cpu_us_per_message", "eruca/java", "<=", 1 / 15, "1/15"),
    ("pipelined", "cpu_us_per_message", "eruca/echo", "<=", 4, "4 times"),
    ("batch", "cpu_us_per_message", "eruca/java", "<=", 1 / 10, "1/10"),
    ("flush64", "per_second", "eruca/java", ">=", 3, "3 times"),
    ("flush64", "p99_ms", "eruca/java", "<=", 1 / 3, "1/3"),
    ("flush-raw", "per_second", "eruca/java", ">=", 3, "3 times"),
    ("flush-raw", "p99_ms", "eruca/java", "<=", 1 / 3, "1/3"),
    ("latency", "p50_ms", "eruca/java", "<=", 1 / 2, "1/2"),
    ("latency", "p999_ms", "eruca/java", "<=", 1 / 5, "1/5"),
    ("backlog", "cpu_us_per_message", "eruca/java", "<=", 1 / 4, "1/4"),
    ("backlog-java", "cpu_us_per_message", "eruca/java", "<=", 1 / 4, "1/4"),
    ("timers", "second_delivered_p99_ms", "eruca", "<=", 100, "100 ms"),
    ("timers", "second_missing", "eruca", "<=", 0, "none"),
    ("timers", "millisecond_missing", "eruca", "<=", 0, "none"),
    ("restart", "start_to_first_ack_ms", "eruca", "<=", 1000, "1 s"),
    ("restart", "lost_messages", "eruca", "<=", 0, "none"),
    ("replicated64", "per_second", "eruca/java", ">=", 3, "3 times"),
    ("replicated64", "p99_ms", "eruca/java", "<=", 1 / 3, "1/3"),
    ("replicated64", "cpu_us_per_message", "eruca/java", "<=", 1 / 4, "1/4"),
    ("catchup", "seconds", "eruca/loopback_seconds", "<=", 1.2, "1.2 times a bare copy over loopback"),
    ("catchup", "seconds", "eruca/loopback_synced_seconds", "<=", 1.2, "1.2 times one that is forced to the disk as often"),
    ("topics", "many_rss_peak_mb", "eruca", "<=", 150, "150 MB"),
    ("topics", "many_failures", "eruca", "<=", 0, "none"),
    ("topics", "many_per_second", "eruca/one_per_second", ">=", 0.9, "0.9 of one topic before"),
    ("topics", "many_per_second", "eruca/again_per_second", ">=", 0.9, "0.9 of one topic after"),
    ("queues", "rss_filled_mb", "eruca", "<=", 1024, "1 GB"),
    ("queues", "killed_start_to_first_ack_ms", "eruca", "<=", 5000, "5 s"),
    ("queues", "clean_start_to_first_ack_ms", "eruca", "<=", 5000, "5 s"),
    ("queues", "many_rss_peak_mb", "eruca", "<=", 1024, "1 GB"),
    ("queues", "many_paced_p99_ms", "eruca/one_paced_p99_ms", "<=", 2, "2 times one queue"),
    ("idle", "rss_mb", "up", "<=", 20, "20 MB"),
    ("idle", "cpu_percent", "up", "<=", 0.1, "0.1 %"),
]


def flatten(path):
    with open(path, encoding="utf-8") as file:
        load = json.load(file)
    if load.get("load") == "timers":
        figures = {
            "missing": load["burst"] - load["arrived"],
            "early": load["early"],
            "cpu_s": load["brokerCpuSecondsBurst"],
            "memory_mb": load["brokerResidentMb"],
        }
        for what, late in (("delivered", "lateDeliveredMs"), ("listened", "lateListenedMs")):
            for name in ("p50", "p99", "max"):
                figures[f"{what}_{name}_ms"] = load[late][name]
        return tell(figures)
    figures = {
        "per_second": load["messagesPerSecond"],
        "messages": load["messages"],
        "failures": sum(failure["count"] for failure in load["failures"]),
    }
    if load["latency"]["count"]:
        for name in ("p50", "p99", "p999", "max"):
            figures[f"{name}_ms"] = load["latency"][f"{name}Ms"]
    if "acknowledgement" in load:
        figures["send_p99_ms"] = load["acknowledgement"]["p99Ms"]
    broker = load.get("broker")
    if broker:
        if broker["cpuSecondsPerMillion"] is not None:
            figures["cpu_us_per_message"] = broker["cpuSecondsPerMillion"]
        figures["rss_peak_mb"] = broker["residentPeakMb"]
        figures["rss_peak_anonymous_mb"] = broker["anonymousPeakMb"]
    if load["client"]["cpuSecondsPerMillion"] is not None:
        figures["client_cpu_us_per_message"] = load["client"]["cpuSecondsPerMillion"]
    return tell(figures)


def tell(figures):
    for metric, value in figures.items():
        print(f"{metric}\t{value:.12g}")


def read(path):
    """Case → metric → system → values of the rounds, in the order of the file."""
    table = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            case, system, _round, metric, value = line.rstrip("\n").split("\t")
            systems = table.setdefault(case, {}).setdefault(metric, {})
            systems.setdefault(system, []).append(float(value))
    return table


def median(table, case, metric, system):
    values = table.get(case, {}).get(metric, {}).get(system)
    return statistics.median(values) if values else None


def compared(table, case, metric, comparison):
    """The figure that a target is about: a system's own, its ratio to another one's, or to another metric of its own."""
    system, _, other = comparison.partition("/")
    figure = median(table, case, metric, system)
    if figure is None or not other:
        return figure
    is_metric = other in table.get(case, {})
    base = median(table, case, other, system) if is_metric else median(table, case, metric, other)
    return figure / base if base else None


def text(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def report(source, target):
    table = read(source)
    out = {}
    machine = {"processors": os.cpu_count(), "system": f"{platform.system()} {platform.release()} {platform.machine()}"}
    print(f"{machine['processors']} processors, {machine['system']}")
    for case, metrics in table.items():
        systems = list(dict.fromkeys(system for values in metrics.values() for system in values))
        print(f"\n{case}")
        heads = "".join(f"{system:>14}" for system in systems)
        other = "bare" if "bare" in systems else "java"
        print(f"  {'median (spread of the rounds)':<34}{heads}{'eruca/' + other:>12}")
        for metric, by_system in metrics.items():
            ratio = compared(table, case, metric, f"eruca/{other}")
            row = "".join(f"{text(median(table, case, metric, system)):>14}" for system in systems)
            spread = max(
                (max(values) - min(values)) / abs(statistics.median(values))
                for values in by_system.values()
            ) if all(statistics.median(values) for values in by_system.values()) else 0
            rounds = max(len(values) for values in by_system.values())
            label = metric + (f" (±{spread * 50:.0f} %)" if rounds > 1 else "")
            print(f"  {label:<34}{row}{text(ratio):>12}")
            out.setdefault(case, {})[metric] = {"rounds": by_system, "ratio": ratio}
    verdicts = []
    print("\nwhat must be reached")
    for case, metric, comparison, relation, bound, words in TARGETS:
        if case not in table:
            continue
        figure = compared(table, case, metric, comparison)
        reached = None if figure is None else (figure <= bound if relation == "<=" else figure >= bound)
        verdict = {True: "reached", False: "MISSED", None: "not measured"}[reached]
        verdicts.append(
            {"case": case, "metric": metric, "compared": comparison, "figure": figure, "relation": relation,
             "bound": bound, "reached": reached}
        )
        print(f"  {case + ' ' + metric:<44}{comparison:<22}{text(figure):>10}  {relation} {words:<18}  {verdict}")
    with open(target, "w", encoding="utf-8") as file:
        json.dump({"machine": machine, "cases": out, "targets": verdicts}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["flatten"]:
        flatten(sys.argv[2])
    else:
        report(sys.argv[2], sys.argv[3])
