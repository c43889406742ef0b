"""Runs the functions of LocalStack's Lambda as processes of this machine, without containers.

executor is what LocalStack calls; supervise ends LocalStack with all that it has started.
"""
