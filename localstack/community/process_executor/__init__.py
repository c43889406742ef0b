"""Runs the functions of LocalStack's Lambda as processes of this machine, without containers.

executor is what LocalStack calls. java is what it starts as its Java.
"""
