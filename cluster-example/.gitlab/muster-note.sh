#!/bin/sh
# Puts what `muster diff --format markdown` said of a merge request into one note on it, and keeps that up to date.
#
# Usage: muster-note.sh FILE, in a pipeline of the merge request; where FILE is not there, an older note is said to be out of
# date. It needs curl and jq, GitLab's own CI_* variables, and
# MUSTER_TOKEN, a token of the project with the scope `api`. Only a note that the token's own user wrote is written over.
set -eu

MAX_TEXT=65000
MAX_PAGES=50

file=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The token goes through a file, so that no list of processes shows it.
printf 'PRIVATE-TOKEN: %s\nContent-Type: application/json\n' "$MUSTER_TOKEN" >"$work/headers"

api() {
  curl --fail-with-body --silent --show-error --max-time 60 --header "@$work/headers" "$@"
}

marker=
if [ -e "$file" ]; then
  if [ "$(wc -c <"$file")" -gt "$MAX_TEXT" ]; then
    echo "$file is longer than $MAX_TEXT bytes" >&2
    exit 1
  fi
  marker=$(head -n 1 "$file")
  case $marker in
  '<!-- muster diff: '*' -->') ;;
  *)
    echo "$file is none of muster diff" >&2
    exit 1
    ;;
  esac
fi

notes=$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes
api --output "$work/user.json" "$CI_API_V4_URL/user"
page=1
known=
while [ "$page" -le "$MAX_PAGES" ]; do
  api --output "$work/notes.json" "$notes?sort=asc&per_page=100&page=$page"
  jq --arg marker "$marker" --slurpfile user "$work/user.json" '[.[]
    | select(.author.id == $user[0].id)
    | select(.body | startswith(if $marker == "" then "<!-- muster diff: " else $marker end))] | first // empty' \
    "$work/notes.json" >"$work/known.json"
  known=$(jq -r .id "$work/known.json")
  if [ -n "$known" ] || [ "$(jq length "$work/notes.json")" -lt 100 ]; then
    break
  fi
  page=$((page + 1))
done

if [ -n "$marker" ]; then
  cat "$file" >"$work/note.md"
elif [ -n "$known" ]; then
  {
    jq -r '.body | split("\n") | first' "$work/known.json"
    printf '\nWhat %s means for machines cannot be told: it does not check, or the job failed.\n' "${CI_COMMIT_SHA:-it}"
  } >"$work/note.md"
else
  echo "there is nothing to say"
  exit 0
fi
jq -n --rawfile body "$work/note.md" '{body: $body}' >"$work/note.json"

if [ -n "$known" ]; then
  api --request PUT --data "@$work/note.json" --output "$work/answer.json" "$notes/$known"
  echo "note $known is up to date"
else
  api --data "@$work/note.json" --output "$work/answer.json" "$notes"
  echo "noted"
fi
