"""The application: one write model, six read models."""

from gitlog.models import Churn, Commit, Contributor, File, Month, Overview
from gitlog.repositories import Repository
from whence import App

app = App("gitlog", Repository, Overview, Commit, File, Churn, Contributor, Month)
