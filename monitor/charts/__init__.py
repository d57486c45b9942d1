"""Pictures: pure functions from a DataFrame of the query registry to an ECharts option, named by what they show.

Pages draw the option with `st.echarts_chart`. Nothing here knows Streamlit, the clock or the network. ECharts and not
Plotly, because eight panels are drawn 0.3 s after a click instead of 1 to 2 s; one chart library on every page.
"""
