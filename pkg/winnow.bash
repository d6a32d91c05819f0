# bash completion for Winnow's programs; the options are those of the programs' own tables (--help).
_winnow()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} options
	COMPREPLY=()
	case $prev in
	-u|--username|-U|--default-user|--socketowner)
		[ "${1##*/}" = spamd ] && { COMPREPLY=($(compgen -u -- "$cur")); return; } ;;
	-g|--groupname|--socketgroup)
		COMPREPLY=($(compgen -g -- "$cur")); return ;;
	esac
	if [[ $cur == -* ]]; then
		# of a line of the table what stands before two spaces: "-p port, --port=port  Port of ..."
		options=$("$1" --help 2>&1 | sed -nE 's/^ +(-.*)/\1/; T; s/  .*//p; t; p' | grep -oE '(^|[ ,])--?[A-Za-z0-9?][A-Za-z0-9_-]*')
		COMPREPLY=($(compgen -W "$options" -- "$cur"))
	else
		COMPREPLY=($(compgen -f -- "$cur"))
	fi
}
complete -o filenames -F _winnow spamd spamc spamassassin sa-learn sa-awl sa-update sa-compile sa-check_spamd
