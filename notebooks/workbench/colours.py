"""The course's colours, apart from matplotlib, for what is shown without it.

Okabe and Ito's, which people with any common form of colour blindness can tell apart
(https://jfly.uni-koeln.de/color/).
"""

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
}
