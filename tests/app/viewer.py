"""Someone who watches a scan, and remembers."""

import time

from engine.core.news import ScanState

WAIT_S = 10.0
FINAL = {ScanState.DONE, ScanState.FAILED, ScanState.ABORTED}


class Viewer:
    """Polls as a window would, and remembers everything it was told."""

    def __init__(self, scan):
        self.scan = scan
        self.states, self.tracks, self.stats, self.faults = [], [], [], []
        self.progress, self.patches = [], {}
        self.revisions_went_back = 0

    def look(self):
        news = self.scan.poll()
        if not self.states or self.states[-1] is not news.state:
            self.states.append(news.state)
        self.tracks += [news.track] if news.track else []
        self.stats += [news.stats] if news.stats else []
        self.progress += [news.progress] if news.progress else []
        self.faults += news.faults
        for patch in news.patches:
            old = self.patches.get(patch.key)
            self.revisions_went_back += old is not None and old.revision > patch.revision
            self.patches[patch.key] = patch
        return news

    def until(self, wanted):
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            news = self.look()
            if wanted(news):
                return
            time.sleep(0.002)
        raise AssertionError(f"never came; states {self.states}, faults {self.faults}")

    def until_over(self):
        self.until(lambda news: news.state in FINAL)
        self.look()

    def until_state(self, state):
        self.until(lambda news: news.state is state)
