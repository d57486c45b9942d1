"""The Jobs page: what runs on a schedule, how it went, and running one now."""
