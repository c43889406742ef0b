"""What LocalStack asks of its Java is done by the system's."""

import os
import unittest

from process_executor import java


class JavaTest(unittest.TestCase):
    def test_arguments(self) -> None:
        os.environ |= {
            "DYNAMODB_LOCAL_JARS": "/jars",
            "DYNAMODB_LOCAL_MAIN": "M",
            "DYNAMODB_LOCAL_JAVA": "/java",
        }
        given = [
            "-Xmx256m",
            "-javaagent:/a.jar",
            "-Djava.library.path=/l",
            "-jar",
            "/D.jar",
            "-port",
            "1",
            "-inMemory",
        ]
        want = ["/java", "-Xmx256m", "-cp", "/jars/*", "M", "-port", "1", "-inMemory"]
        self.assertEqual(java.arguments(given), want)


if __name__ == "__main__":
    unittest.main()
