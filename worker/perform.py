"""Does in a real log what a simulated deploy does: for the job, and for whoever writes logs without a queue."""

from collections.abc import Callable

from producer.library import cancel_deploy
from producer.writer import Writer
from worker.actions import Cancel, Crash, End, Line, Returning
from worker.assemble import Assembled

_CANCEL_SECONDS = 10.0


def perform(
    actions: Assembled,
    writer: Writer,
    pause: Callable[[int], None],
    crash: Callable[[], None],
    url: str | None = None,
) -> End:
    """Write the lines, cancel, crash; return how the deploy ends, which is left to the caller.

    `pause` waits for so many milliseconds at speed 1, `crash` is called once all that came before it is stored, `url`
    is where the logs are, as for `open_log`. Raises what the writer, `pause` and `crash` raise, DeployCancelled once
    the deploy was cancelled, and TemplateError.
    """
    played = Returning(actions)
    for action in played:
        pause(action.delay_ms)
        match action:
            case Line(_, text, step, stream, level, omitted):
                writer.write(text, stream=stream, level=level, step=step, omitted=omitted)
            case Cancel():
                cancel_deploy(writer.keys.app, writer.keys.deploy, url=url)
                writer.wait(_CANCEL_SECONDS)  # ends as soon as the writer has heard of it
            case Crash():
                writer.flush()
                crash()
    pause(played.value.delay_ms)
    return played.value
