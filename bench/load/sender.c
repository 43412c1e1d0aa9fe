/*
 * Sends frames of one size into an interface at an even pace, through packet(7).
 *
 *     sender INTERFACE FRAME_BYTES PACKETS_PER_SECOND SECONDS
 *
 * A rate of 0 means full speed. trafgen cannot keep an even pace: its --rate sends all packets of a second in one burst
 * and then sleeps, and its --gap does not reach 15,000 packets/s.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define TICK_NS 500000L

static volatile sig_atomic_t stopped;

static void stop(int signal_number) { (void)signal_number; stopped = 1; }

static void fail(const char *what) { perror(what); exit(1); }

static long long now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sleep_until(long long ns) {
  struct timespec t = {ns / 1000000000LL, ns % 1000000000LL};
  while (!stopped && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) { }
}

/* Ethernet, IPv4, UDP from 192.0.2.1:40000 to 192.0.2.2:9. There is no receiver, so receiving costs nothing. */
static void write_headers(unsigned char *frame, int bytes) {
  static const unsigned char link[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
  static const unsigned char ip[] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2};
  static const unsigned char udp[] = {0x9c, 0x40, 0, 9, 0, 0, 0, 0};
  unsigned sum = 0;
  memset(frame, 0x5a, bytes);
  memcpy(frame, link, 14);
  memcpy(frame + 14, ip, 20);
  memcpy(frame + 34, udp, 8);
  frame[16] = (bytes - 14) >> 8; frame[17] = (bytes - 14) & 255;
  frame[38] = (bytes - 34) >> 8; frame[39] = (bytes - 34) & 255;
  for (int i = 14; i < 34; i += 2) sum += frame[i] << 8 | frame[i + 1];
  sum = (sum & 0xffff) + (sum >> 16);
  sum = ~(sum + (sum >> 16));
  frame[24] = sum >> 8 & 255; frame[25] = sum & 255;
}

static int open_socket(const char *interface) {
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(interface)};
  int one = 1, room = 8 << 20;
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0) fail("socket");
  if (!address.sll_ifindex) fail(interface);
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) fail("bind");
  setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 5) { fprintf(stderr, "usage: sender INTERFACE FRAME_BYTES PACKETS_PER_SECOND SECONDS\n"); return 2; }
  int bytes = atoi(argv[2]);
  double rate = atof(argv[3]), seconds = atof(argv[4]);
  unsigned char *frame = malloc(bytes < 60 ? 60 : bytes);
  struct iovec piece = {frame, bytes};
  struct mmsghdr batch[BATCH] = {0};
  for (int i = 0; i < BATCH; i++) batch[i].msg_hdr = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1};

  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_TIMERSLACK, 1000);
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  write_headers(frame, bytes);
  int fd = open_socket(argv[1]);
  printf("sending\n");
  fflush(stdout);

  /* The first packet of a slow flow is due at once, and so are all packets of the time that has passed. */
  double tick = rate > 0 && 1e9 / rate > TICK_NS ? 1e9 / rate : TICK_NS;
  long long start = now_ns(), end = start + (long long)(seconds * 1e9), sent = 0, now;
  for (long long ticks = 1; !stopped && (now = now_ns()) < end; ticks++) {
    long long due = rate > 0 ? (long long)((now - start) / 1e9 * rate) + 1 : sent + 16 * BATCH;
    while (sent < due && !stopped) {
      int count = due - sent < BATCH ? due - sent : BATCH;
      int taken = sendmmsg(fd, batch, count, 0);
      if (taken < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) fail("sendmmsg");
      if (taken > 0) sent += taken;
      if (now_ns() > end) break;
    }
    if (rate > 0) sleep_until(start + (long long)(ticks * tick));
  }
  printf("sent %lld\n", sent);
  return 0;
}
