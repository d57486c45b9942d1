"""The Live-probe page: ask targets of the fleet file, one question, many, or as fast as they can."""
