/* The load client of the benchmark: one thread, epoll, no library but libc. See --help below.
 *
 * `load watch` opens streams of Server-Sent Events, takes them apart and checks them. It prints these lines:
 *   open     every connection has its response headers
 *   ready    every connection has its first body bytes
 *   all      every connection has all its lines
 *   {...}    the result, as JSON, once every stream has ended, standard input is closed, or the time is up
 * `load serve` sends ready-made frames as fast as it can, to find the client's own ceiling.
 *
 * A log line of the benchmark is `"line":"n=17 t=1711741200123456 ...`: its number, from 1, and the Unix microseconds
 * at which it was written, 0 where its delay does not count. Frames end in two line feeds; CR LF is not understood.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, READ_BYTES = 256 * 1024, LINE_PREFIX = 128, HEAD_BYTES = 16 * 1024, TEXT = 256 };

/* The events before the first line, `queued` and `building`: so much is a sequence number above a line's. */
enum { EVENTS_BEFORE = 2 };

enum phase { CONNECTING, HEAD, SIZE, SIZE_REST, DATA, DATA_END, BODY, OVER };

enum kind { MESSAGE, DONE, GAP, OTHER };

struct connection {
    int fd;
    uint8_t phase;
    bool chunked, head, body, complete;
    int64_t left;  /* bytes left of the chunk or the body; -1: until the server closes */
    uint64_t next; /* number of the next line; 0: of any */
    char *held;    /* the start of a head or a frame of which the rest has not come */
    size_t held_size, held_room;
};

static struct {
    const char *host, *header, **paths;
    int port, connections, path_count, addresses, window;
    uint64_t first, lines;
    double seconds;
    bool count_only;
} options = {.host = "127.0.0.1", .header = "", .connections = 1, .addresses = 1, .window = 512, .first = 1,
             .seconds = 60};

static struct {
    int opened, heads, bodies, complete, over, waiting, unfinished, errors;
    uint64_t frames, bytes, lost, doubled, told, others;
    int64_t began, ready, last; /* monotonic nanoseconds */
    char error[TEXT];
} seen;

static uint32_t *delays;
static size_t delay_count, delay_room;
static uint64_t arrived; /* Unix microseconds of the bytes that are being looked at */
static int poller;

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *room(void *memory, size_t size) {
    void *grown = realloc(memory, size);
    if (grown == NULL) die("memory");
    return grown;
}

static int64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void say(const char *word) {
    puts(word);
    fflush(stdout);
}

static void note_error(const char *what) {
    seen.errors++;
    if (!seen.error[0]) snprintf(seen.error, sizeof seen.error, "%s", what);
}

/* Milestones are counted for connections that failed, too, so that nobody waits for them. */
static void reached_head(struct connection *c) {
    if (c->head) return;
    c->head = true;
    seen.waiting--;
    if (++seen.heads == options.connections) say("open");
}

static void reached_body(struct connection *c) {
    if (c->body) return;
    reached_head(c);
    c->body = true;
    if (++seen.bodies == options.connections) {
        seen.ready = nanoseconds(CLOCK_MONOTONIC);
        say("ready");
    }
}

static void reached_all(struct connection *c) {
    if (c->complete) return;
    c->complete = true;
    if (++seen.complete == options.connections) say("all");
}

static void end(struct connection *c, bool finished) {
    if (c->phase == OVER) return;
    if (!finished) seen.unfinished++;
    if (options.lines && c->next <= options.lines) seen.lost += options.lines + 1 - (c->next ? c->next : 1);
    c->phase = OVER;
    seen.over++;
    reached_body(c);
    reached_all(c);
    close(c->fd);
    free(c->held);
    c->held = NULL;
}

static void hold(struct connection *c, const char *data, size_t size) {
    if (c->held_size + size > c->held_room) {
        c->held_room = (c->held_size + size) * 2;
        c->held = room(c->held, c->held_room);
    }
    memcpy(c->held + c->held_size, data, size);
    c->held_size += size;
}

static uint64_t number(const char **at, const char *stop) {
    uint64_t value = 0;
    for (; *at < stop && (unsigned char)(**at - '0') < 10; ++*at) value = value * 10 + (unsigned char)(**at - '0');
    return value;
}

static void note_delay(uint64_t written) {
    if (delay_count == delay_room) {
        delay_room = delay_room ? delay_room * 2 : 65536;
        delays = room(delays, delay_room * sizeof *delays);
    }
    uint64_t delay = arrived > written ? arrived - written : 0;
    delays[delay_count++] = delay > UINT32_MAX ? UINT32_MAX : (uint32_t)delay;
}

/* The data of an unnamed event. */
static void take_line(struct connection *c, const char *data, size_t size) {
    static const char start[] = "\"line\":\"n";
    const size_t length = sizeof start - 1;
    /* The first '=' of a line of the benchmark is the one before its number: one memchr finds it. */
    const char *at = memchr(data, '=', size < LINE_PREFIX ? size : LINE_PREFIX);
    if (at == NULL || (size_t)(at - data) < length || memcmp(at - length, start, length) != 0) {
        seen.others++;
        return;
    }
    const char *stop = data + size;
    at++;
    uint64_t n = number(&at, stop);
    seen.frames++;
    if (c->next && n < c->next) {
        seen.doubled++;
    } else {
        if (c->next) seen.lost += n - c->next;
        c->next = n + 1;
        if (n >= options.lines && options.lines) reached_all(c);
    }
    if (options.count_only || stop - at < 4 || memcmp(at, " t=", 3) != 0) return;
    at += 3;
    uint64_t written = number(&at, stop);
    if (written) note_delay(written);
}

/* The data of a gap: {"from":3,"to":17,"reason":"lagged"}. Its lines are not lost without a word. */
static void take_gap(struct connection *c, const char *data, size_t size) {
    static const char last[] = "\"to\":";
    const char *at = memmem(data, size, last, sizeof last - 1);
    if (at == NULL) return;
    at += sizeof last - 1;
    uint64_t to = number(&at, data + size), next = to > EVENTS_BEFORE ? to - EVENTS_BEFORE + 1 : 1;
    if (c->next == 0 || next <= c->next) return;
    seen.told += next - c->next;
    c->next = next;
    if (options.lines && next > options.lines) reached_all(c);
}

/* Takes the complete frames in `data`; returns how many bytes they are. */
static size_t take_frames(struct connection *c, const char *data, size_t size) {
    const char *at = data, *stop = data + size, *begin = data, *line = NULL, *newline;
    size_t line_size = 0;
    enum kind kind = MESSAGE;
    while ((newline = memchr(at, '\n', (size_t)(stop - at))) != NULL) {
        size_t length = (size_t)(newline - at);
        if (length == 0) {
            if (kind == DONE) {
                end(c, true);
                return size;
            }
            if (kind == GAP && line != NULL) take_gap(c, line, line_size);
            if (kind == MESSAGE && line != NULL) take_line(c, line, line_size);
            begin = newline + 1;
            line = NULL;
            kind = MESSAGE;
        } else if (*at == 'd' && length > 6 && memcmp(at, "data: ", 6) == 0) {
            line = at + 6;
            line_size = length - 6;
        } else if (*at == 'e' && length > 7 && memcmp(at, "event: ", 7) == 0) {
            const char *name = at + 7;
            kind = length == 11 && memcmp(name, "done", 4) == 0  ? DONE
                   : length == 10 && memcmp(name, "gap", 3) == 0 ? GAP
                                                                 : OTHER;
        }
        at = newline + 1;
    }
    return (size_t)(begin - data);
}

static void take_body(struct connection *c, const char *data, size_t size) {
    seen.bytes += size;
    reached_body(c);
    if (c->held_size) {
        /* The blank line that ends the frame begun may lie across the seam. */
        const char *stop = NULL;
        if (c->held[c->held_size - 1] == '\n' && data[0] == '\n') {
            stop = data + 1;
        } else {
            const char *blank = memmem(data, size, "\n\n", 2);
            if (blank != NULL) stop = blank + 2;
        }
        size_t part = stop == NULL ? size : (size_t)(stop - data);
        hold(c, data, part);
        if (stop == NULL) return;
        take_frames(c, c->held, c->held_size);
        c->held_size = 0;
        data += part;
        size -= part;
    }
    if (c->phase == OVER || size == 0) return;
    size_t taken = take_frames(c, data, size);
    if (c->phase != OVER && taken < size) hold(c, data + taken, size - taken);
}

/* Takes the response head; returns how many bytes of `data` belong to it. */
static size_t take_head(struct connection *c, const char *data, size_t size) {
    size_t before = c->held_size;
    hold(c, data, size);
    char *blank = memmem(c->held, c->held_size, "\r\n\r\n", 4);
    if (blank == NULL) {
        if (c->held_size > HEAD_BYTES) {
            note_error("a response head without end");
            end(c, false);
        }
        return size;
    }
    size_t used = (size_t)(blank + 4 - c->held) - before;
    *blank = '\0';
    const char *length = strcasestr(c->held, "\r\ncontent-length:");
    int status = c->held_size > 12 ? atoi(c->held + 9) : 0;
    if (status != 200) {
        char text[TEXT];
        snprintf(text, sizeof text, "HTTP status %d", status);
        note_error(text);
        end(c, false);
        return size;
    }
    c->chunked = strcasestr(c->held, "\r\ntransfer-encoding: chunked") != NULL;
    c->left = c->chunked ? 0 : length == NULL ? -1 : atoll(length + 17);
    c->phase = c->chunked ? SIZE : BODY;
    c->held_size = 0;
    reached_head(c);
    return used;
}

static int hexadecimal(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static void take(struct connection *c, const char *data, size_t size) {
    while (size && c->phase != OVER) {
        size_t used = 1;
        if (c->phase == HEAD) {
            used = take_head(c, data, size);
        } else if (c->phase == DATA || c->phase == BODY) {
            used = c->left < 0 || (size_t)c->left > size ? size : (size_t)c->left;
            take_body(c, data, used);
            if (c->phase != OVER && c->left >= 0 && (c->left -= (int64_t)used) == 0) {
                if (c->phase == DATA)
                    c->phase = DATA_END;
                else
                    end(c, false);
            }
        } else if (*data == '\n') {
            if (c->phase == DATA_END)
                c->phase = SIZE;
            else if (c->left)
                c->phase = DATA;
            else
                end(c, false); /* the last chunk, and no `done` */
        } else if (c->phase == SIZE) {
            int digit = hexadecimal(*data);
            if (digit < 0)
                c->phase = SIZE_REST;
            else
                c->left = c->left * 16 + digit;
        }
        data += used;
        size -= used;
    }
}

static void watch_fd(struct connection *c, int action, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, action, c->fd, &event) < 0) die("epoll_ctl");
}

static void fail(struct connection *c, int error) {
    note_error(strerror(error));
    end(c, false);
}

static void open_one(struct connection *c, int index) {
    seen.opened++;
    seen.waiting++;
    c->next = options.first;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) die("socket");
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (options.addresses > 1) {
        /* The port is chosen on connect, so that each address has the whole range. */
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        struct sockaddr_in local = {.sin_family = AF_INET};
        local.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(index % options.addresses));
        if (bind(c->fd, (struct sockaddr *)&local, sizeof local) < 0) die("bind");
    }
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    if (inet_pton(AF_INET, options.host, &server.sin_addr) != 1) die("--host");
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
        fail(c, errno);
        return;
    }
    watch_fd(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void ask(struct connection *c, int index) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        fail(c, error);
        return;
    }
    char request[4096];
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: %s:%d\r\nAccept: text/event-stream\r\n%s%s\r\n",
                          options.paths[index % options.path_count], options.host, options.port, options.header,
                          options.header[0] ? "\r\n" : "");
    if (length >= (int)sizeof request || send(c->fd, request, (size_t)length, MSG_NOSIGNAL) != length) {
        fail(c, length >= (int)sizeof request ? EMSGSIZE : errno);
        return;
    }
    c->phase = HEAD;
    watch_fd(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void receive(struct connection *c) {
    static char buffer[READ_BYTES];
    ssize_t size = recv(c->fd, buffer, sizeof buffer, 0);
    if (size < 0) {
        if (errno != EAGAIN && errno != EINTR) fail(c, errno);
        return;
    }
    if (size == 0) {
        end(c, false);
        return;
    }
    if (!options.count_only) arrived = (uint64_t)nanoseconds(CLOCK_REALTIME) / 1000;
    uint64_t frames = seen.frames;
    take(c, buffer, (size_t)size);
    if (seen.frames != frames) seen.last = nanoseconds(CLOCK_MONOTONIC);
}

static int by_size(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static uint32_t percentile(double share) {
    return delay_count ? delays[(size_t)((double)(delay_count - 1) * share)] : 0;
}

static void report(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    if (delay_count) qsort(delays, delay_count, sizeof *delays, by_size);
    printf("{\"connections\":%d,\"frames\":%llu,\"bytes\":%llu,\"others\":%llu,\"lost\":%llu,\"doubled\":%llu,"
           "\"told\":%llu,\"unfinished\":%d,\"errors\":%d,\"error\":\"%s\",\"began_ns\":%lld,\"ready_ns\":%lld,"
           "\"last_ns\":%lld,\"delays\":%zu,\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u,\"cpu_us\":%lld}\n",
           options.connections, (unsigned long long)seen.frames, (unsigned long long)seen.bytes,
           (unsigned long long)seen.others, (unsigned long long)seen.lost, (unsigned long long)seen.doubled,
           (unsigned long long)seen.told, seen.unfinished, seen.errors, seen.error, (long long)seen.began,
           (long long)seen.ready, (long long)seen.last, delay_count, percentile(0.5), percentile(0.99),
           percentile(1.0),
           (long long)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec +
               used.ru_stime.tv_usec);
    fflush(stdout);
}

/* Whether standard input, which nothing is written to, was closed: whoever started us has seen enough, or is gone. */
static bool input_closed(void) {
    char byte;
    ssize_t size = read(STDIN_FILENO, &byte, 1);
    return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

static void poll_input(void) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) die("epoll");
    /* A file or /dev/null cannot be polled, and then the time alone ends us. */
    if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event) == 0)
        fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
}

static void watch(void) {
    struct connection *all = calloc((size_t)options.connections, sizeof *all);
    struct epoll_event events[EVENTS];
    if (all == NULL) die("memory");
    poll_input();
    seen.began = nanoseconds(CLOCK_MONOTONIC);
    int64_t until = seen.began + (int64_t)(options.seconds * 1e9);
    bool stopped = false;
    while (seen.over < options.connections && !stopped) {
        /* No more than a window of requests at a time, as no backlog of a server holds thousands. */
        while (seen.opened < options.connections && seen.waiting < options.window)
            open_one(&all[seen.opened], seen.opened);
        int64_t left = until - nanoseconds(CLOCK_MONOTONIC);
        if (left <= 0) break;
        int ready = epoll_wait(poller, events, EVENTS, (int)(left / 1000000) + 1);
        if (ready < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c == NULL)
                stopped = input_closed();
            else if (c->phase == CONNECTING)
                ask(c, (int)(c - all));
            else
                receive(c);
        }
    }
    for (int i = 0; i < seen.opened; i++) end(&all[i], false);
    report();
}

struct client {
    int fd;
    bool asked;
    size_t sent;
};

/* Frames of the benchmark's size in chunks of about 64 KiB, with head and end: what every client of `serve` gets. */
static char *response(int frames, int bytes, size_t *size) {
    size_t frame_room = (size_t)bytes + 1, chunk_frames = 65536 / frame_room + 1;
    char *frame = room(NULL, frame_room), *all = room(NULL, (size_t)frames * frame_room * 2 + 65536);
    size_t at = (size_t)sprintf(all, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n");
    for (int n = 1; n <= frames;) {
        size_t count = (size_t)(frames - n + 1) < chunk_frames ? (size_t)(frames - n + 1) : chunk_frames;
        at += (size_t)sprintf(all + at, "%zx\r\n", count * (size_t)bytes);
        for (; count > 0; count--, n++) {
            int head = snprintf(frame, frame_room, "id: %d\ndata: {\"seq\":%d,\"ts\":1711741200.123,\"line\":\"n=%d t=0 ",
                                n + 2, n + 2, n);
            if (head > bytes - 4) {
                fputs("load: --bytes is too small\n", stderr);
                exit(2);
            }
            memset(frame + head, 'x', (size_t)(bytes - head - 4));
            memcpy(frame + bytes - 4, "\"}\n\n", 4);
            memcpy(all + at, frame, (size_t)bytes);
            at += (size_t)bytes;
        }
        at += (size_t)sprintf(all + at, "\r\n");
    }
    static const char done[] = "event: done\ndata: {}\n\n";
    at += (size_t)sprintf(all + at, "%zx\r\n%s\r\n0\r\n\r\n", sizeof done - 1, done);
    free(frame);
    *size = at;
    return all;
}

static void serve(int frames, int bytes) {
    size_t size;
    const char *data = response(frames, bytes, &size);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 4096) < 0) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    poll_input();
    struct client door = {.fd = listener};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &door}, events[EVENTS];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct client *c = events[i].data.ptr;
            char request[8192];
            if (c == NULL) {
                if (input_closed()) return;
            } else if (c == &door) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (fd < 0) continue;
                c = calloc(1, sizeof *c);
                if (c == NULL) die("memory");
                c->fd = fd;
                event = (struct epoll_event){.events = EPOLLIN, .data.ptr = c};
                epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
            } else if (!c->asked) {
                /* The request is small, and comes whole. */
                c->asked = recv(c->fd, request, sizeof request, 0) > 0;
                event = (struct epoll_event){.events = EPOLLOUT, .data.ptr = c};
                epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
            } else {
                size_t part = size - c->sent < READ_BYTES ? size - c->sent : READ_BYTES;
                ssize_t sent = send(c->fd, data + c->sent, part, MSG_NOSIGNAL);
                if (sent > 0) c->sent += (size_t)sent;
                if (c->sent == size || (sent < 0 && errno != EAGAIN)) {
                    close(c->fd);
                    free(c);
                }
            }
        }
    }
}

static const char usage[] =
    "load watch --port P [--host H] [--connections N] [--lines L] [--first N] [--seconds S] [--addresses K]\n"
    "           [--window W] [--header 'Name: value'] [--count-only] PATH...\n"
    "    Opens N streams, spread over the paths and over the K loopback addresses from 127.0.0.1 on, at most W\n"
    "    requests at a time. Each is to bring the lines from N=1 (--first 0: from any) to L, and `event: done`.\n"
    "load serve [--lines L] [--bytes B]\n"
    "    Serves L frames of B bytes to everyone, until standard input is closed.\n";

static void wrong_usage(void) {
    fputs(usage, stderr);
    exit(2);
}

int main(int count, char **arguments) {
    int bytes = 293;
    if (count > 1 && strcmp(arguments[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (count < 2) wrong_usage();
    options.paths = calloc((size_t)count, sizeof *options.paths);
    if (options.paths == NULL) die("memory");
    for (int i = 2; i < count; i++) {
        const char *name = arguments[i];
        if (strncmp(name, "--", 2) != 0) {
            options.paths[options.path_count++] = name;
            continue;
        }
        if (strcmp(name, "--count-only") == 0) {
            options.count_only = true;
            continue;
        }
        if (++i == count) wrong_usage();
        const char *value = arguments[i];
        if (strcmp(name, "--port") == 0) options.port = atoi(value);
        else if (strcmp(name, "--host") == 0) options.host = value;
        else if (strcmp(name, "--connections") == 0) options.connections = atoi(value);
        else if (strcmp(name, "--lines") == 0) options.lines = strtoull(value, NULL, 10);
        else if (strcmp(name, "--first") == 0) options.first = strtoull(value, NULL, 10);
        else if (strcmp(name, "--seconds") == 0) options.seconds = atof(value);
        else if (strcmp(name, "--addresses") == 0) options.addresses = atoi(value);
        else if (strcmp(name, "--window") == 0) options.window = atoi(value);
        else if (strcmp(name, "--header") == 0) options.header = value;
        else if (strcmp(name, "--bytes") == 0) bytes = atoi(value);
        else wrong_usage();
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(arguments[1], "serve") == 0) {
        serve((int)(options.lines ? options.lines : 10000), bytes);
    } else if (strcmp(arguments[1], "watch") == 0 && options.path_count && options.connections > 0 && options.port) {
        watch();
    } else {
        wrong_usage();
    }
    return 0;
}
