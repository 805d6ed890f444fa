# The image of Levada: all its programs, for Debian 12, without root.
#
#   docker build -t levada .    compiles everything, with nothing but Debian, Maven and PyPI
#   ./dev images                the same file with what ./dev build made; needs neither Docker nor a registry
#
# BASE is Debian 12 or what is made from it; PROGRAMS is `compiled` or `prebuilt`.
ARG BASE=debian:12-slim
ARG PROGRAMS=compiled

FROM ${BASE} AS compiled
WORKDIR /levada
COPY . .
RUN ./dev setup --build-only && ./dev build && scripts/lib/collect_programs.sh build/release /programs

FROM scratch AS prebuilt
LABEL org.opencontainers.image.title=levada
COPY build/image /programs

FROM ${PROGRAMS} AS programs

FROM ${BASE}
LABEL org.opencontainers.image.title=levada
COPY --from=programs /programs /usr/local
# The base of ./dev images has the libraries already.
RUN cd /usr/local/share/levada && \
    if ! xargs dpkg -s <packages.txt >/dev/null 2>&1; then \
      apt-get update -q && \
      xargs env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends <packages.txt && \
      rm -rf /var/lib/apt/lists/*; \
    fi
USER 65532:65532
WORKDIR /var/empty
CMD ["levada", "--help"]
