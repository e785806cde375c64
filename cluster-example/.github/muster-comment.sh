#!/bin/sh
# Puts what `muster diff --format markdown` said of a pull request into one comment on it, and keeps that up to date.
#
# Usage: muster-comment.sh RUN, the id of the run of review.yml. It needs curl, jq and unzip, and these variables:
#   GITHUB_API_URL, GITHUB_REPOSITORY   as every run has them
#   TOKEN                               may read actions and write comments
#   HEAD_SHA, HEAD_BRANCH, HEAD_REPOSITORY (owner/name), HEAD_OWNER   of the run, as the event names them
#
# The run may be that of a stranger's pull request, so its artifact is hostile text: it is never run, it is bounded, and which
# pull request it is about is asked of GitHub. Only a comment that github-actions[bot] wrote is ever written over.
set -eu

MAX_ARCHIVE=200000
MAX_TEXT=65000
MAX_PAGES=50

run=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The token goes through a file, so that no list of processes shows it.
printf 'Authorization: Bearer %s\n' "$TOKEN" >"$work/headers"
printf 'Accept: application/vnd.github+json\nX-GitHub-Api-Version: 2022-11-28\n' >>"$work/headers"

api() {
  curl --fail-with-body --silent --show-error --max-time 60 --header "@$work/headers" "$@"
}

repository=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY

# Which pull request: the open one with this very commit at its head, in this very repository.
api --get --data-urlencode "head=$HEAD_OWNER:$HEAD_BRANCH" --data 'state=open&per_page=100' \
  --output "$work/pulls.json" "$repository/pulls"
number=$(jq -r --arg sha "$HEAD_SHA" --arg repository "$HEAD_REPOSITORY" \
  '[.[] | select(.head.sha == $sha and .head.repo.full_name == $repository) | .number]
   | if length > 1 then "several" else first // empty end' "$work/pulls.json")
case $number in
'')
  echo "no open pull request has $HEAD_SHA of $HEAD_REPOSITORY at its head; nothing to say"
  exit 0
  ;;
several)
  # Each into another branch; what a run is about, only the run itself says.
  echo "several open pull requests have $HEAD_SHA of $HEAD_REPOSITORY at their head; nothing to say"
  exit 0
  ;;
esac

# What the run says of it.
api --output "$work/artifacts.json" "$repository/actions/runs/$run/artifacts?name=muster-diff&per_page=100"
artifact=$(jq -r --argjson most "$MAX_ARCHIVE" \
  '[.artifacts[] | select(.name == "muster-diff" and (.expired | not))] | first
   | if . == null then "none" elif .size_in_bytes > $most then "large" else .id end' "$work/artifacts.json")
if [ "$artifact" = large ]; then
  echo "::error::the artifact of run $run is larger than $MAX_ARCHIVE bytes" >&2
  exit 1
fi
marker=
if [ "$artifact" != none ]; then
  # To another host, to which curl hands no token.
  api --location --max-filesize "$MAX_ARCHIVE" --output "$work/artifact.zip" "$repository/actions/artifacts/$artifact/zip"
  # One byte more than may be tells whether there is more.
  unzip -p "$work/artifact.zip" diff.md | head -c $((MAX_TEXT + 1)) >"$work/diff.md"
  if [ "$(wc -c <"$work/diff.md")" -gt "$MAX_TEXT" ]; then
    echo "::error::the text of run $run is longer than $MAX_TEXT bytes" >&2
    exit 1
  fi
  marker=$(head -n 1 "$work/diff.md")
  if ! printf '%s\n' "$marker" | LC_ALL=C grep -Eqx '<!-- muster diff: [A-Za-z0-9._/:%-]+ [A-Za-z0-9._/:%-]+ -->'; then
    echo "::error::the text of run $run is none of muster diff" >&2
    exit 1
  fi
fi

# Whether it was said before.
page=1
known=
while [ "$page" -le "$MAX_PAGES" ]; do
  api --output "$work/comments.json" "$repository/issues/$number/comments?per_page=100&page=$page"
  # Of a run that kept nothing, whatever this says of the pull request is out of date.
  jq --arg marker "$marker" '[.[]
    | select(.user.login == "github-actions[bot]" and .user.type == "Bot")
    | select(.body | startswith(if $marker == "" then "<!-- muster diff: " else $marker end))] | first // empty' \
    "$work/comments.json" >"$work/known.json"
  known=$(jq -r .id "$work/known.json")
  if [ -n "$known" ] || [ "$(jq length "$work/comments.json")" -lt 100 ]; then
    break
  fi
  page=$((page + 1))
done

if [ -z "$marker$known" ]; then
  echo "run $run kept no artifact; nothing to say"
  exit 0
fi
{
  if [ -n "$marker" ]; then
    printf '%s\n' "$marker"
  else
    jq -r '.body | split("\n") | first' "$work/known.json"
  fi
  # Before what the run says, which may hide what comes after it.
  printf "\n<sub>Said by the pull request's own run, of its commit %s.</sub>\n\n" "$HEAD_SHA"
  if [ -n "$marker" ]; then
    tail -n +2 "$work/diff.md"
  else
    echo 'What it means for machines cannot be told: it does not check, or the run failed. See the run.'
  fi
} >"$work/comment.md"
jq -n --rawfile body "$work/comment.md" '{body: $body}' >"$work/comment.json"

if [ -n "$known" ]; then
  api --request PATCH --data "@$work/comment.json" --output "$work/answer.json" "$repository/issues/comments/$known"
  echo "pull request $number: comment $known is up to date"
else
  api --data "@$work/comment.json" --output "$work/answer.json" "$repository/issues/$number/comments"
  echo "pull request $number: commented"
fi
