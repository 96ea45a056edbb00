"""The points of a part's way, in order; each is named by what the time before it went into."""

SENT = "the PLC sends"
CAME = "broker, two sockets, a wake-up"
HEARD = "the trigger is read and checked"
LOOP_BEGINS = "the loop wakes"
LOOP_DONE = "the ledger opens the part"
EYE = "the eye wakes"
FRAMES = "the frame is grabbed"
LANE = "a lane wakes"
ASKED = "crop, resize"
ANSWERED = "the predictor: pixels there, model, answer back"
JUDGED = "the frame's figures"
LOOP_SEES = "the loop wakes again"
LOOP_SENT = "the ledger decides"
CLOSING = "the store's thread wakes"
CLOSED = "the record becomes durable"
LOOP_KNOWS = "the loop wakes once more"
TELLS = "the ledger lets the verdict out"
TOLD = "the verdict is written as JSON"
PUBLISHES = "the link's thread wakes"
PUBLISHED = "paho writes it"
ARRIVED = "broker, two sockets, the PLC's thread"
WAY = (
    SENT, CAME, HEARD, LOOP_BEGINS, LOOP_DONE, EYE, FRAMES, LANE, ASKED, ANSWERED, JUDGED,
    LOOP_SEES, LOOP_SENT, CLOSING, CLOSED, LOOP_KNOWS, TELLS, TOLD, PUBLISHES, PUBLISHED, ARRIVED,
)  # fmt: skip

# Beside the way.
OPENING, OPENED = "the opening goes to the disk", "the opening is durable"
