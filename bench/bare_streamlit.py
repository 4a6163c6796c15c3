"""The least a Streamlit page can be: ``leaderboard.py`` reads its own pages against this one."""

import streamlit as st

st.html('<p class="here">here</p>')
