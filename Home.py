"""The router of the pages: every request passes here first.

Start it with `uvicorn asgi_app:app`; `streamlit run Home.py` works as well.
"""

import streamlit as st

from monitor.ui.pages import MARK, WORDMARK, navigation

st.set_page_config(page_title="Watchpoint", page_icon=MARK, layout="wide")
st.logo(WORDMARK, icon_image=MARK)
navigation().run()
