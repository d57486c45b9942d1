"""A parameter of a request that is refused, with its name for the client's program."""

from monitor.errors import BadInput


class BadParameter(BadInput):
    """A parameter is wrong: carries its name and a code word, which OpenAI's error shape has places for."""

    def __init__(self, param: str, problem: str, code: str = "invalid_value", status: int = 400) -> None:
        super().__init__(f"{param} {problem}" if param else problem)
        self.param, self.code, self.status = param, code, status
