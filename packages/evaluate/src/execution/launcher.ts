/**
 * What runs a generated program: Python's own code, given by `-c`. Reads one line of settings and then the program from stdin,
 * limits itself for good, runs the program, and writes to descriptor 3 first which limits hold and, where the program came to
 * its end, a word that the program does not know. Ending early (`sys.exit`) is not passing.
 */
export const LAUNCHER = `
import json, os, resource, sys

def main():
    settings = json.loads(sys.stdin.buffer.readline())
    held = {}
    for name, value in settings["limits"].items():
        try:
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
            held[name] = True
        except (AttributeError, OSError, ValueError):
            held[name] = False
    source = sys.stdin.buffer.read().decode("utf-8")
    version = sys.version.split()[0]
    os.write(3, (json.dumps({"python": version, "user": os.getuid(), "held": held}) + "\\n").encode())
    done = settings["done"].encode()
    del settings
    sys.argv = ["program.py"]
    exec(compile(source, "program.py", "exec"), {"__name__": "__main__"})
    sys.stdout.flush()
    os.write(3, done)

main()
`;
