"""Sets of sequence numbers as sorted, disjoint spans (first, last), both ends included."""

from collections.abc import Iterable

Span = tuple[int, int]
Spans = tuple[Span, ...]


def union(*parts: Iterable[Span]) -> Spans:
    """All numbers that are in any part. Neighbours grow together; empty spans vanish."""
    merged: list[Span] = []
    for first, last in sorted(span for part in parts for span in part if span[0] <= span[1]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def minus(spans: Spans, cut: Spans) -> Spans:
    """The numbers of `spans` that are not in `cut`; both sorted and disjoint."""
    left: list[Span] = []
    at = 0
    for first, last in spans:
        while at < len(cut) and cut[at][1] < first:
            at += 1
        start, here = first, at
        while here < len(cut) and cut[here][0] <= last:
            if start < cut[here][0]:
                left.append((start, cut[here][0] - 1))
            start = max(start, cut[here][1] + 1)
            here += 1
        if start <= last:
            left.append((start, last))
    return tuple(left)


def common(one: Spans, other: Spans) -> Spans:
    """The numbers in both."""
    return minus(one, minus(one, other))


def holes(spans: Spans) -> Spans:
    """What is missing between 1 and the largest number."""
    return minus(((1, spans[-1][1]),), spans) if spans else ()


def contains(spans: Spans, number: int) -> bool:
    return any(first <= number <= last for first, last in spans)


def unbroken(spans: Spans) -> int:
    """The last number of the run that begins at 1; 0 if 1 is missing."""
    return spans[0][1] if spans and spans[0][0] == 1 else 0
