"""Numbers of repeated measurements, and how they are written: always the median, and the smallest and the largest beside it."""

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Sample:
    """Repetitions of one measurement, in the order they were taken."""

    values: tuple

    def __post_init__(self):
        if not self.values:
            raise ValueError("a sample needs at least one value")

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def mean(self):
        return statistics.fmean(self.values)

    @property
    def low(self):
        return min(self.values)

    @property
    def high(self):
        return max(self.values)

    def show(self, digits=2, scale=1.0):
        """"1.50 (1.20 to 1.90, n = 3)"; a single value stands alone, and says so."""
        if len(self.values) == 1:
            return f"{self.median * scale:.{digits}f} (n = 1)"
        return f"{self.median * scale:.{digits}f} ({self.low * scale:.{digits}f} to {self.high * scale:.{digits}f}, n = {len(self.values)})"


def sample(values):
    return Sample(tuple(float(v) for v in values))


def ratios(ours, theirs):
    """Ours divided by theirs, round by round: what was measured side by side is compared side by side."""
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} rounds against {len(theirs)}: they are not pairs")
    return sample(a / b for a, b in zip(ours, theirs))


def line_fit(xs, ys):
    """Least squares y = a + b x, and the largest distance of a y from the line as a share of the line there."""
    mean_x, mean_y = statistics.fmean(xs), statistics.fmean(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    if spread == 0:
        raise ValueError("a line needs two different places")
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / spread
    base = mean_y - slope * mean_x
    return base, slope, max(abs(y - (base + slope * x)) / abs(base + slope * x) for x, y in zip(xs, ys))


def time_until(values, seconds, level, run=2):
    """Seconds up to and with the first of `run` steps in a row whose value is at least `level`; None if there are none."""
    held = 0
    for i, value in enumerate(values):
        held = held + 1 if value >= level else 0
        if held == run:
            return sum(seconds[: i - run + 2])
    return None
