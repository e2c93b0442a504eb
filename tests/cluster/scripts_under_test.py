"""Runs the three scripts as an administrator would, and keeps what they said and started."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import threading

SECRETS = {
    "AWS_KEY_ID": "AKIAEXAMPLEEXAMPLE",
    "AWS_SEC_KEY": "secretSecretSecretSecretSecretSecretSecre",
    "SHARED_KEY": "sharedKeyOfTheTest-1",
}

WRITES = re.compile(r"^(oc (create|replace|delete|annotate|scale) |helm (upgrade|uninstall|rollback) )", re.M)

# Stands before the real kubectl and helm: notes the arguments, and ends the script before its n-th write. Reads do
# not count, because how many there are depends on how often a script looks while it waits.
WRAPPER = """#!/bin/bash
printf '%s\\n' "{name} $*" >>"{log}"
if [[ -n "${{CUT_AFTER:-}}" ]] && (($(grep -cE '{writes}' "{log}") > CUT_AFTER)) ||
  [[ -n "${{CUT_BEFORE:-}}" ]] && grep -qF -- "$CUT_BEFORE" "{log}"; then
  kill -9 "$SCRIPT_PID"; exit 137
fi
if [[ $1 == exec ]]; then   # no pod runs; reading the shared key gives what the node would have mounted
  [[ -z "${{EXEC_ANSWERS:-}}" ]] || exec cat "$EXEC_ANSWERS"
  if [[ " $* " == *" penstock top --page "* ]]; then   # by the plain port, which only the pod itself reaches
    address=$("{tool}" get pod -n "$3" "$4" -o 'jsonpath={{.status.podIP}}')
    exec curl -sf "http://$address:9880/${{@: -1}}"
  fi
  [[ " $* " == *" cat "* ]] || {{ echo "no container runs here" >&2; exit 1; }}
  file=${{@: -1}}
  secret=$("{tool}" get pod -n "$3" "$4" -o 'jsonpath={{.spec.volumes[?(@.name=="auth")].secret.secretName}}')
  [[ -n $secret ]] || {{ echo "cat: $file: No such file or directory" >&2; exit 1; }}
  exec "{tool}" get secret -n "$3" "$secret" -o "go-template={{{{.data.${{file##*/}} | base64decode}}}}"
fi
if [[ {name} == helm && -n "${{SLOW_HELM:-}}" && " $* " == *" $SLOW_HELM "* && " $* " != *" --dry-run "* ]]; then
  export HELM_QPS=3 HELM_BURST_LIMIT=1
  echo $$ >"{log}.helm.new" && mv "{log}.helm.new" "{log}.helm"
fi
exec "{tool}" "$@"
"""


class Scripts:
    def __init__(self, root: pathlib.Path, tools: pathlib.Path, cluster, folder: pathlib.Path):
        self.root, self.tools, self.cluster, self.folder = root, tools, cluster, folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.calls = folder / "calls"
        for name, tool in (("oc", "kubectl"), ("helm", "helm")):
            path = self.bin / name
            path.write_text(WRAPPER.format(name=name, log=self.calls, tool=tools / tool, writes=WRITES.pattern))
            path.chmod(0o755)
        self.output = ""
        self.slow_helm = None

    def environment(self, **changes):
        env = {
            "PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "POLL_SECONDS": "0.4",
            "GOGC": "off",  # of hundreds of kubectls, each lives for a moment
            "HELM_SECONDS": "1",
            "LOGGINGNAMES": "projects operations audit",
            "KINESIS_STREAM_NAME": "my-stream-projects my-stream-operations my-stream-audit",
            "KINESIS_REGION": "us-east-1",
            **SECRETS,
        }
        env.update(changes)
        return {k: v for k, v in env.items() if v is not None}

    @contextlib.contextmanager
    def helm_killed(self, verb, when):
        """Kills helm itself, with SIGKILL, in its next `verb`, as soon as `when` says so; helm is slowed down for that."""
        pid_file = self.folder / "calls.helm"
        pid_file.unlink(missing_ok=True)
        over, killed = threading.Event(), []

        def watch():
            while not over.wait(0.01):
                if pid_file.exists() and when():
                    os.kill(int(pid_file.read_text()), signal.SIGKILL)
                    killed.append(True)
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        self.slow_helm = verb
        try:
            yield
        finally:
            self.slow_helm = None
            over.set()
            watcher.join()
        assert killed, "helm was never in the state in which it was to be killed"

    def run(self, script, *arguments, cut_after=None, cut_before=None, **env):
        self.calls.write_text("")
        environment = self.environment(**env)
        if self.slow_helm:
            environment["SLOW_HELM"] = self.slow_helm
        if cut_after is not None:
            environment["CUT_AFTER"] = str(cut_after)
        if cut_before is not None:
            environment["CUT_BEFORE"] = cut_before
        command = 'export SCRIPT_PID=$$; exec "$@"'
        done = subprocess.run(
            ["bash", "-c", command, "run", str(self.root / "scripts" / script), *arguments],
            env=environment,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        self.output = done.stdout
        print(f"$ {script} {' '.join(arguments)}\n{done.stdout}-> {done.returncode}")
        for secret in SECRETS.values():
            assert secret not in self.calls.read_text(), "a secret was an argument"
            assert secret not in self.output, "a secret was printed"
        return done.returncode

    def helm(self, *arguments, check=True):
        """What an administrator does by hand."""
        environment = self.environment(SLOW_HELM=self.slow_helm)
        done = subprocess.run(
            [self.bin / "helm", *arguments], env=environment, check=check, capture_output=True, text=True
        )
        return done.stdout

    def helm_error(self, *arguments):
        done = subprocess.run(
            [self.bin / "helm", *arguments], env=self.environment(), check=False, capture_output=True, text=True
        )
        assert done.returncode != 0, done.stdout
        return done.stderr

    def writes(self):
        """How many the last run made."""
        return len(WRITES.findall(self.calls.read_text()))

    def install(self, *arguments, **env):
        return self.run(
            "install_log_forwarding_kinesis.sh", "--skip-stream-check", "--timeout", "180s", *arguments, **env
        )

    def update(self, *arguments, **env):
        return self.run(
            "update_log_forwarding-secure_secret.sh", "--settle", "1s", "--timeout", "180s", *arguments, **env
        )

    def uninstall(self, *arguments, **env):
        return self.run("uninstall_log_forwarding_kinesis.sh", "--timeout", "180s", *arguments, **env)
