"""Terms of the screen that no other table explains, each in one sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """One entry of the glossary.

    Attributes
    ----------
    name
        As the screen writes it.
    room
        Heading it stands under, one of `app.words.glossary.ROOMS`.
    meaning
        One sentence.
    paper
        Where it comes from; empty where nobody in particular.
    """

    name: str
    room: str
    meaning: str
    paper: str = ""


def _under(room: str, *terms: tuple[str, ...]) -> tuple[Term, ...]:
    return tuple(Term(term[0], room, *term[1:]) for term in terms)


PREDICTED, SURE, JUDGED, FORECASTERS, LOOKS, WHY, CHECKED, CHANGED, BARS = (
    "What is predicted",
    "How sure it is",
    "How good it was",
    "What the model must beat",
    "Where it looks",
    "Why it says so",
    "Whether an explanation is true",
    "What if, and similar moments",
    "Bars and data",
)

TERMS: tuple[Term, ...] = (
    *_under(
        PREDICTED,
        ("Task", "One question put to the model at the close of a bar: direction, volatility or regime."),
        ("Direction", "Where the price goes from the next open to the close at the end of the horizon."),
        ("Volatility", "How much the price will move within the horizon, whichever way."),
        ("Regime", "How the market moves around the bar, half of it bars that have not come yet."),
        ("Bullish", "The price rises within the horizon by more than a band that widens with its usual "
         "moves."),
        ("Bearish", "The price falls within the horizon by more than that band."),
        ("Sideways", "The price ends the horizon inside the band."),
        ("Low", "Volatility ahead within the lowest third of the series' own past."),
        ("Medium", "Volatility ahead within the middle third of the series' own past."),
        ("High", "Volatility ahead within the highest third of the series' own past."),
        ("Trending", "Not Volatile, and the price goes straighter than in half of the series' own past."),
        ("Ranging", "Not Volatile, and the price goes to and fro more than in half of that past."),
        ("Volatile", "The price moves more, against its volatility just before, than in two thirds of the "
         "series' own past."),
        ("Horizon", "How many bars ahead a task asks, five unless the model was trained for another "
         "number."),
        ("Window", "The bars the model reads at once, the newest last."),
        ("Call", "The most probable class, where something is ruled out."),
        ("No call", "Said where the classes tie or no class is ruled out: there is nothing to act on."),
        ("Expected volatility", "Log volatility ahead, in standard deviations from what was usual."),
        ("Linear reading", "What a linear path from the last bar's own inputs says, which is added to what "
         "the transformer says over all bars."),
    ),
    *_under(
        SURE,
        ("Confidence", "The stated chance that a call comes true."),
        ("Confidence source", "One of the measures of sureness a confidence can be made of, shown as the "
         "share of past bars on which it was lower."),
        ("This sure", "Past calls with a stated confidence in the same bin, and how many of them came "
         "true."),
        ("Prediction set", "The classes not ruled out, which hold what comes as often as promised while "
         "coming bars are like those held back.", "Sadinle, Lei and Wasserman 2019"),
        ("Unlike its training data", "The window lies farther from what the model was trained on than "
         "nearly all of that did.", "Mahalanobis distance, Lee et al. 2018"),
        ("In sample", "What came of the bar helped to make the model, so its call there proves nothing."),
        ("Ensemble", "Several networks trained apart, whose log-odds are averaged."),
        ("Member", "One network of an ensemble."),
    ),
    *_under(
        JUDGED,
        ("Walk-forward", "Several trainings, each scored on the time that came after it."),
        ("Fold", "One training of a walk-forward, with the bars it was scored on."),
        ("Train, calibrate, test", "Bars a model learned from, bars held back to fit its confidence, and "
         "bars it never saw."),
        ("Calibration", "Whether what is stated at 60% comes true 60 times in a hundred."),
        ("Calibrator", "What turns a raw sureness into a chance, fitted on bars held back from training."),
        ("Reliability diagram", "Share right against stated confidence; a perfect forecaster lies on the "
         "diagonal.", "Murphy and Winkler 1977"),
        ("Perfect, up to", "The calibration error that a perfectly calibrated forecaster stays below "
         "nineteen times in twenty on the same rows."),
        ("Coverage", "Share of predictions that are acted on; of prediction sets, share that held what "
         "came."),
        ("Risk-coverage curve", "Share wrong against how many are acted on, the surest first.", "El-Yaniv "
         "and Wiener 2010"),
        ("AURC", "Mean share wrong over all shares acted on, the surest first.", "Geifman and El-Yaniv "
         "2017"),
        ("Gain over a random order", "How much lower the AURC is than that of acting in no order at all."),
        ("95% interval", "Range that would hold the true value 95 times in a hundred; where rows hang "
         "together over time, that is counted.", "Lazarus et al. 2018; shares: Wilson 1927"),
        ("Better, worse", "Said of a comparison that still holds with all others of its table counted.",
         "Holm 1979"),
        ("Confusion", "How often each class was called, of each class that came."),
        ("MCE", "The largest gap of any bin between what was stated and the share that was right."),
        ("Smooth ECE", "The mean gap between stated and true without bins, by a kernel.", "Błasiok and "
         "Nakkiran 2023"),
        ("Reliability, resolution, uncertainty", "Parts of the Brier score: wrong probabilities, what "
         "telling cases apart earns, and what no one can avoid.", "Murphy 1973; Stephenson et al. 2008"),
    ),
    *_under(
        LOOKS,
        ("Attention", "The shares in which a bar draws on itself and earlier bars; routing, not cause.",
         "Vaswani et al. 2017"),
        ("Layer", "One step of the network, in which every bar takes in what it attends."),
        ("Head", "One of the attentions that a layer runs side by side."),
        ("Local, global, diffuse", "Whether a head looks back little, far and choosing, or evenly over all "
         "it may see."),
        ("Looks back", "Mean age, in bars, of what is attended."),
        ("Spread", "Entropy of attention as a share of the most it could have: 100% is all bars alike."),
        ("Trained recency", "The learned preference of a head for recent bars; 0 is none."),
        ("Rollout", "Attention followed through all layers, half of each staying in place.", "Abnar and "
         "Zuidema 2020"),
        ("Weighted by effect", "Attention weighed by what it does to the class called.", "Chefer, Gur and "
         "Wolf 2021"),
        ("Removing bars", "Replacing a bar by the window's mean and measuring how far the log-odds move: "
         "the test that attention is held against."),
    ),
    *_under(
        WHY,
        ("Log-odds", "Logarithm of a class's probability over that of all others; 0 is even, +1 is 2.7 to "
         "1."),
        ("Attribution", "What each feature at each bar adds to a class's log-odds, compared with a "
         "reference."),
        ("Reference", "The window a window is compared with: nothing is explained but the difference."),
        ("Net, gross", "What the cells add up to, and the sums of those towards the class and of those "
         "against it."),
        ("Layer conductance", "How much of the change in log-odds flows through each bar after each layer.",
         "Dhamdhere, Sundararajan and Yan 2018"),
        ("Permutation importance", "How much log-loss grows when a feature is shuffled over the windows.",
         "Breiman 2001"),
        ("Gate", "The learned share of each feature that the network lets in."),
        ("Group of features", "Features that say the same kind of thing, such as volume or the calendar."),
    ),
    *_under(
        CHECKED,
        ("Completeness error", "How far the cells are from adding up to the change in log-odds.",
         "Sundararajan, Taly and Yan 2017"),
        ("Deletion, insertion", "P(class) while the cells are taken away, or given back, in the order of "
         "the map, beside random orders.", "Petsiuk, Das and Saenko 2018"),
        ("Planted market", "An artificial market whose causes are known, to see whether a method finds "
         "them.", "Ismail et al. 2020"),
        ("AUPRC", "Area under the precision-recall curve: 1 finds the planted causes first, guessing has "
         "their share of all cells."),
    ),
    *_under(
        CHANGED,
        ("Edit", "A bar or feature set to another value, to see what the model would have said."),
        ("Smallest change that flips the call", "The least change to the free features that makes another "
         "class the likeliest.", "Wachter, Mittelstadt and Russell 2017"),
        ("Locked feature", "A feature that stays as it is while others are changed."),
        ("Similar moment", "An earlier bar at which the network's inner representation was close to the "
         "chosen one."),
        ("Similarity", "Cosine between two representations: 1 is the same direction."),
        ("All candidates", "Every earlier moment that could have been found: what chance would have given."),
    ),
    *_under(
        BARS,
        ("Bar", "Open, high, low, close and volume of one stretch of time, named by when it opens."),
        ("Timeframe", "How long a bar lasts: from one minute to one week."),
        ("Latest", "The newest stored bar, followed as new ones come."),
        ("Replay", "Stored bars played one after the other, as if they came now."),
        ("Late", "Said of a feed whose next bar should have closed already."),
        ("Quality gate", "The check every file passes on its way in; nothing is changed without a line."),
        ("Adjusted", "Earlier prices rescaled for splits and dividends, so that moves compare."),
        ("Sigma", "The volatility usual just before the bar, by an exponential average.", "RiskMetrics "
         "1996"),
    ),
)  # fmt: skip
"""Beside them `app.words.glossary` has scores, confidences, methods, references, baselines and features."""
