#!/usr/bin/env bash
# A mail server on 127.0.0.1:PORT that wants STARTTLS and a log-in and keeps mails in DIR/mail; DIR/control
# tells it to fail; see smtp.py. How to call it: lib.sh.
source "$(dirname "$0")/lib.sh"
name=smtp
default_port=19025
ports="0"

launch() {
  certificate
  spawn smtp "$python" "$servers/smtp.py" --port "$port" --dir "$dir" --user "$user" --password "$password"
}

ready() {
  local greeting=""
  { read -r -t 3 greeting <"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || true
  [[ $greeting == 220* ]]
}

describe() {
  echo "127.0.0.1:$port (STARTTLS, $user / $password, CA $dir/cert.pem), mails in $dir/mail"
}

exports() {
  echo "LEVADA_SMTP=127.0.0.1:$port"
  echo "LEVADA_SMTP_USER=$user"
  echo "LEVADA_SMTP_PASSWORD=$password"
  echo "LEVADA_SMTP_CA=$dir/cert.pem"
  echo "LEVADA_SMTP_MAIL=$dir/mail"
}

server_main "$@"
