"""Suites of questions with known answers, and what their replays say about a deployment.

`suites` reads suite files (with `yaml_lines`, `converting` and `items`); `checks` is the table of checks (in
`checks_text`, `checks_values` and `checks_aided`, with `reading`, `refusals`, `schemas` and `aids` behind them), and
`answers` what they see and say. `replay` asks a deployment, `writing` keeps what it said; `fingerprint`, `noise` and
`signals` tell a change from noise. `shipped` holds the suites that come with Watchpoint.
"""
