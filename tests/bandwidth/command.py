# SPDX-License-Identifier: Apache-2.0
"""The commands that the measurements run, in a folder of their own."""
import filecmp
import json
import os
import subprocess


class Command:
    def __init__(self, build, seed, threads, folder):
        self.build, self.seed, self.threads, self.folder = build, str(seed), str(threads), folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def tensor(self, rows, columns, deviation, name=None, pair=False):
        """A file with seeded values (a pair: two matrices), made once if it has no name of its own."""
        path = self.path(name or f"{rows}x{columns}_{deviation}{'_pair' if pair else ''}.npy")
        if name or not os.path.exists(path):
            subprocess.run([self.build + "/duplex", "random", "--shape", f"{'2,' if pair else ''}{rows},{columns}", "--dist", f"normal:{deviation}", "--seed",
                            self.seed, "--out", path], check=True)
        return path

    def run(self, arguments, backend, channels):
        """Statistics of one run; its output is <backend>.npy, the RTL's commands are commands.txt."""
        stats = self.path("stats.json")
        command = [self.build + "/duplex", *arguments, "--backend", backend, "--channels", str(channels), "--out",
                   self.path(backend + ".npy"), "--stats", stats]
        command += ["--command-trace", self.path("commands.txt")] if backend == "rtl" else ["--threads", self.threads]
        subprocess.run(command, check=True)
        with open(stats, encoding="utf-8") as file:
            result = json.load(file)
        del result["backend"]
        return result

    def same_output(self):
        return filecmp.cmp(self.path("rtl.npy"), self.path("cmodel.npy"), shallow=False)

    def violation(self, preset, rank_switch, strict):
        """What the judge says about the last RTL run, or nothing."""
        changed = self.path("judge.preset")
        with open(f"params/dram/{preset}.preset", encoding="utf-8") as file, open(changed, "w", encoding="utf-8") as out:
            out.writelines(f"nRTR {rank_switch}\n" if line.startswith("nRTR ") else line for line in file)
        command = [self.build + "/timing_judge", changed, self.path("commands.txt")] + (["--strict"] if strict else [])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()
