"""What LocalStack starts as its Java: the system's, for DynamoDB Local from a folder of jars.

LocalStack asks for Java 21, an agent and one large jar. The agent only lifts the limit of 20 indexes of a
table. DYNAMODB_LOCAL_JAVA is the program, DYNAMODB_LOCAL_JARS the folder, DYNAMODB_LOCAL_MAIN what it
starts: a class or a source file.
The program ends with LocalStack, even if that is killed.
"""

import ctypes
import os
import signal
import sys

# Source: prctl(2)
PR_SET_PDEATHSIG = 1


def arguments(given: list[str]) -> list[str]:
    """The command for LocalStack's arguments: -javaagent:…, -Djava.library.path=…, -jar FILE, …"""
    kept: list[str] = []
    rest = iter(given)
    for argument in rest:
        if argument == "-jar":
            next(rest)
            kept += ["-cp", os.environ["DYNAMODB_LOCAL_JARS"] + "/*", os.environ["DYNAMODB_LOCAL_MAIN"]]
        elif not argument.startswith(("-javaagent:", "-Djava.library.path=")):
            kept.append(argument)
    return [os.environ["DYNAMODB_LOCAL_JAVA"], *kept]


def main() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    command = arguments(sys.argv[1:])
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
