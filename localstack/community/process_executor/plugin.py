"""How LocalStack finds the executor: by the entry point in pyproject.toml."""

from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    """LAMBDA_RUNTIME_EXECUTOR=process runs functions as processes."""

    name = "process"

    def load(self, *args: object, **kwargs: object) -> type[RuntimeExecutor]:
        from process_executor.executor import ProcessRuntimeExecutor

        return ProcessRuntimeExecutor
