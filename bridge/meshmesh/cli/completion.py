"""`meshmesh completion SHELL`: the script that lets a shell complete commands, options and names."""

import click

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script for a SHELL.

    \b
    bash, in ~/.bashrc:                  eval "$(meshmesh completion bash)"
    zsh, in ~/.zshrc:                    eval "$(meshmesh completion zsh)"
    fish, in ~/.config/fish/config.fish: meshmesh completion fish | source
    """
    from click.shell_completion import get_completion_class

    from meshmesh.cli.program import COMPLETE, root

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"There is no completion for {shell!r}.")
    print(found(root, {}, "meshmesh", COMPLETE).source())
