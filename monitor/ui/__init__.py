"""The screen: what the pages in `pages/` are made of. It asks through `monitor.client` and draws `monitor.charts`."""
