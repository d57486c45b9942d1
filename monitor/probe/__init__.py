"""Live probes: one question to several targets, many questions in the background, and load; run by the `api` process.

bodies       what clients send, checked
questions    messages with their images, as runtimes take them
limits       bounds: rate of a visitor, runs at once, memory of images
log          each answer and each failure as a prediction of source `probe`
outage       what a batch does while a target is away
single, batch, load    the three kinds of a run
sample       questions out of logged requests
service      starts, watches and ends runs
"""
